"""Git's objects in one pack with its index, as gitformat-pack(5) describes them; the bytes of a new repository."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

_KINDS: Final = {"commit": 1, "tree": 2, "blob": 3}
_LARGE_OFFSET: Final = 1 << 31


class PackWriter:
    """Writes objects to a pack, each once, and its index at the end.

    Args:
        folder: ``objects/pack`` of the repository.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unfinished = folder / "unfinished.pack"
        self._file: BinaryIO = self._unfinished.open("xb")
        self._offsets: dict[bytes, tuple[int, int]] = {}
        self._at = 12
        self._file.write(b"PACK" + struct.pack(">II", 2, 0))

    def add(self, kind: str, data: bytes) -> str:
        """Write an object unless it is there already; return its id (SHA-1, as git has it)."""
        name = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
        name.update(data)
        digest = name.digest()
        if digest not in self._offsets:
            piece = _head(_KINDS[kind], len(data)) + zlib.compress(data, 1)
            self._offsets[digest] = (self._at, zlib.crc32(piece))
            self._file.write(piece)
            self._at += len(piece)
        return digest.hex()

    def add_tree(self, entries: Mapping[str, tuple[bool, str]]) -> str:
        """Write the trees of a snapshot: paths, each with whether it is executable and its blob's id."""
        root: dict[str, object] = {}
        for path, leaf in entries.items():
            *folders, name = path.split("/")
            at = root
            for folder in folders:
                inner = at.setdefault(folder, {})
                assert isinstance(inner, dict)  # a manifest has no file where a folder is
                at = inner
            at[name] = leaf
        return self._add_folder(root)

    def _add_folder(self, folder: Mapping[str, object]) -> str:
        rows = []
        for name, inner in folder.items():
            raw = name.encode()
            if isinstance(inner, dict):
                rows.append((raw + b"/", b"40000 " + raw + b"\0" + bytes.fromhex(self._add_folder(inner))))
            else:
                assert isinstance(inner, tuple)  # nothing else is put in
                mode = b"100755 " if inner[0] else b"100644 "
                rows.append((raw, mode + raw + b"\0" + bytes.fromhex(inner[1])))
        return self.add("tree", b"".join(row for _, row in sorted(rows)))

    def finish(self) -> None:
        """Write how many objects there are, the checksum and the index; the pack has its name from them."""
        self._file.seek(8)
        self._file.write(struct.pack(">I", len(self._offsets)))
        self._file.close()
        digest = hashlib.sha1(usedforsecurity=False)
        with self._unfinished.open("r+b") as pack:
            while block := pack.read(1 << 20):
                digest.update(block)
            pack.write(digest.digest())
            pack.flush()
            os.fsync(pack.fileno())
        names = sorted(self._offsets)
        stem = f"pack-{hashlib.sha1(b''.join(names), usedforsecurity=False).hexdigest()}"
        (self._folder / f"{stem}.idx").write_bytes(self._index(names, digest.digest()))
        self._unfinished.rename(self._folder / f"{stem}.pack")

    def _index(self, names: list[bytes], pack: bytes) -> bytes:
        counts = [0] * 256
        for name in names:
            counts[name[0]] += 1
        fan = [sum(counts[: n + 1]) for n in range(256)]
        places = [self._offsets[name] for name in names]
        large = [offset for offset, _ in places if offset >= _LARGE_OFFSET]
        further = iter(range(len(large)))
        short = [offset if offset < _LARGE_OFFSET else _LARGE_OFFSET | next(further) for offset, _ in places]
        body = b"".join(
            (
                b"\xfftOc" + struct.pack(">I", 2),
                struct.pack(">256I", *fan),
                b"".join(names),
                struct.pack(f">{len(places)}I", *(crc for _, crc in places)),
                struct.pack(f">{len(short)}I", *short),
                struct.pack(f">{len(large)}Q", *large),
                pack,
            )
        )
        return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _head(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    out.append(first)
    return bytes(out)


def make_repository(folder: Path, branch: str) -> Path:
    """Make the files of a bare repository in a new folder; return the folder for its packs."""
    for name in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
        (folder / name).mkdir(parents=True)
    (folder / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    (folder / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n")
    return folder / "objects" / "pack"


def write_refs(folder: Path, refs: Iterable[tuple[str, str]]) -> None:
    """Write references (``heads/main``, ``tags/v1``) with the commits they point at."""
    for name, commit in refs:
        path = folder / "refs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit + "\n")
