"""What is staged, and what the tree's files looked like when they were last read.

The index is one file, replaced in one step and checked by a hash. It holds the
manifest that the next commit will have and, for each entry, the signature of the
file it was read from, so that an unchanged file costs one ``stat``.

A signature is kept only where the file had last been changed *before* the reading
began, by the file system's own clock: a later change then has a later time, and
cannot hide in the same tick of the clock. Others are read again next time.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from aexl.api import ObjectId
from aexl.errors import Unavailable
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.disk.files import Files
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.worktree.steady import Signature

MAGIC: Final = b"aexl-index-1\n"
_HASH: Final = 32


class _Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    path: str
    executable: bool
    size: int
    id: bytes
    signature: tuple[int, int, int] | None  # modified, changed, inode


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    lines: list[_Line]
    merging: tuple[ObjectId, ...]
    manifest: str = ""
    conflicts: dict[str, str] = {}  # an index of before there were any has none


class Index:
    """Entries by path, and their signatures; change it through its methods, then ``save`` it.

    Attributes:
        entries: What the next snapshot will hold.
        seen: What a file of that entry looked like when its content was the entry's.
        merging: Further parents of the next snapshot, where a merge waits for a person.
        conflicts: What both sides of that merge changed, with how, until each is staged anew.
        digest: Of the file that it was read from, or saved to.
    """

    __slots__ = ("_manifest", "_manifest_id", "changed", "conflicts", "digest", "entries", "merging", "seen")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.seen: dict[str, Signature] = {}
        self.merging: tuple[ObjectId, ...] = ()
        self.conflicts: dict[str, str] = {}
        self.changed = False
        self.digest = b""
        self._manifest: Manifest | None = None
        self._manifest_id: ObjectId | None = None

    def manifest(self) -> Manifest:
        """Return the manifest of the entries; made once for the same ones.

        Raises:
            Invalid: If an entry cannot be kept.
        """
        if self._manifest is None:
            self._manifest = Manifest(self.entries.values())
        return self._manifest

    def manifest_id(self) -> ObjectId:
        """Return the manifest's id, which the file remembers: of unchanged entries, no manifest is made.

        Raises:
            Invalid: If an entry cannot be kept.
        """
        if self._manifest_id is None:
            self._manifest_id, self.changed = self.manifest().id, True
        return self._manifest_id

    def _forget_manifest(self) -> None:
        self._manifest = self._manifest_id = None
        self.changed = True

    def stage(self, entry: Entry, signature: Signature | None) -> None:
        """Put an entry in, with what its file looks like if that can be trusted."""
        if self.entries.get(entry.path) != entry:
            self.entries[entry.path] = entry
            self.seen.pop(entry.path, None)
            self._forget_manifest()
        if signature is not None and self.seen.get(entry.path) != signature:
            self.seen[entry.path] = signature
            self.changed = True

    def drop(self, path: str) -> None:
        """Take an entry out."""
        if self.entries.pop(path, None) is not None:
            self._forget_manifest()
        self.seen.pop(path, None)

    def replace(self, entries: Iterable[Entry]) -> None:
        """Take other entries; signatures of those that stay as they were are kept."""
        wanted = {entry.path: entry for entry in entries}
        kept = {path: seen for path, seen in self.seen.items() if wanted.get(path) == self.entries[path]}
        if wanted != self.entries:
            self._forget_manifest()
        self.entries, self.seen, self.changed = wanted, kept, True

    def begin_merge(self, theirs: ObjectId, conflicts: Mapping[str, str]) -> None:
        """Let a merge wait for a person, who settles the conflicts."""
        self.merging, self.conflicts, self.changed = (theirs,), dict(conflicts), True

    def settle(self, paths: Iterable[str]) -> None:
        """Take paths, those in conflict or any, as a person wants them."""
        for path in paths:
            if self.conflicts.pop(path, None) is not None:
                self.changed = True

    def end_merge(self) -> bool:
        """Let no merge wait any more: it is in a snapshot, or given up. Say whether one did."""
        if not self.merging:
            return False
        self.merging, self.conflicts, self.changed = (), {}, True
        return True

    def holds(self, path: str, signature: Signature) -> bool:
        """Say whether a file that looks like this has the entry's content, without reading it."""
        return self.seen.get(path) == signature

    def save(self, path: Path, files: Files) -> None:
        """Write the index, if it has changed; it is durable when this returns.

        Raises:
            Unavailable: If it cannot be written; the old one stays.
        """
        if not self.changed and path.exists():
            return
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with disk_errors(path):
            try:
                descriptor = files.create(unfinished)
                try:
                    files.write(descriptor, self._encode())
                    files.fsync(descriptor)
                finally:
                    os.close(descriptor)
                files.rename(unfinished, path)
                files.fsync_folder(path.parent)
            except BaseException:
                with suppress(OSError):
                    unfinished.unlink()
                raise
        self.changed = False

    def _encode(self) -> bytes:
        lines = [
            _Line(path, entry.mode == "exec", entry.size, bytes.fromhex(entry.id), _short(self.seen.get(path)))
            for path, entry in self.entries.items()
        ]
        body = msgspec.msgpack.encode(_Stored(lines, self.merging, self._manifest_id or "", self.conflicts))
        self.digest = hashlib.sha256(body).digest()
        return MAGIC + self.digest + body


def _short(signature: Signature | None) -> tuple[int, int, int] | None:
    return None if signature is None else (signature.modified, signature.changed, signature.inode)


def read_index(path: Path, known: Index | None = None) -> Index | None:
    """Return the index that a file holds; ``None`` if there is no file.

    Args:
        known: What was read or saved before; returned if the file still holds exactly that.

    Raises:
        Unavailable: If the file is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    body = data[len(MAGIC) + _HASH :]
    index = Index()
    index.digest = data[len(MAGIC) : len(MAGIC) + _HASH]
    try:
        if not data.startswith(MAGIC) or hashlib.sha256(body).digest() != index.digest:
            raise msgspec.DecodeError("wrong hash")
        if known is not None and known.digest == index.digest and not known.changed:
            return known
        stored = msgspec.msgpack.decode(body, type=_Stored)
    except msgspec.DecodeError as error:
        raise Unavailable(
            f"the index {path} is damaged ({error}); remove it: only what was staged and not committed is lost"
        ) from error
    for line in stored.lines:
        index.entries[line.path] = Entry(
            path=line.path, mode="exec" if line.executable else "file", size=line.size, id=ObjectId(line.id.hex())
        )
        if line.signature is not None:
            index.seen[line.path] = Signature(line.size, *line.signature, line.executable)
    index.merging, index.conflicts = stored.merging, stored.conflicts
    index._manifest_id = ObjectId(stored.manifest) if stored.manifest else None  # noqa: SLF001 - made here
    return index
