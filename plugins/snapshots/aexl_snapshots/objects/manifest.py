"""A manifest: every file of a tree, with its mode, size and content. Pure.

Text, so that anybody can read it, and canonical, so that one tree has one id::

    aexl-manifest 1
    file 9f86d0...0a08 4 README.md
    exec 2c26b4...e7ae 3 bin/run

Lines end with a line feed and are sorted by the bytes of their paths. Decoding
checks every rule, so that whoever holds a ``Manifest`` need not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple, cast

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.objects.ids import EMPTY, object_id
from aexl_snapshots.objects.names import explain_path, fold_name, printable

HEADER: Final = b"aexl-manifest 1\n"
MAX_ENTRIES: Final = 1_000_000
MAX_BYTES: Final = 512 * 1024 * 1024
"""Of one encoded manifest."""

MAX_FILE: Final = 1 << 38
"""Bytes of one file."""

_CUT: Final = 128
_LARGEST_CUT: Final = 32 * 1024

Mode = Literal["file", "exec"]

_LINE: Final = re.compile(r"(file|exec) ([0-9a-f]{64}) (0|[1-9][0-9]{0,12}) ([^\n]+)\n")
_FIXED: Final = len("file   \n") + 64
"""Characters of a line beside those of its size and path."""


class Entry(NamedTuple):
    """One file of a tree.

    Attributes:
        path: Relative, with slashes, in Unicode's composed form.
        size: Bytes.
        id: Of the file's whole content.
    """

    path: str
    mode: Mode
    size: int
    id: ObjectId


class Manifest:
    """The files of a tree, sorted by the UTF-8 bytes of their paths.

    Args:
        entries: In any order.

    Raises:
        Invalid: If a path, size or id cannot be kept, or two paths are the same
            to some file system; names the path.
    """

    __slots__ = ("_encoded", "_id", "entries")

    def __init__(self, entries: Iterable[Entry]) -> None:
        ordered = sorted(entries, key=_sort_key)
        check_entries(ordered)
        self.entries: Sequence[Entry] = tuple(ordered)
        self._encoded: bytes | None = None
        self._id: ObjectId | None = None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and self.entries == other.entries

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> ObjectId:
        """The manifest's name: the id of its encoding."""
        if self._id is None:
            self._id = object_id(self.encode())
        return self._id

    def encode(self) -> bytes:
        """Return the canonical bytes.

        Raises:
            Invalid: If they are more than ``MAX_BYTES``.
        """
        if self._encoded is None:
            lines = [f"{mode} {id} {size} {path}\n" for path, mode, size, id in self.entries]
            encoded = HEADER + "".join(lines).encode()
            _check_size(len(encoded))
            self._encoded = encoded
        return self._encoded

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read the canonical bytes, and nothing else.

        Raises:
            Invalid: If they are not; names the path or line that is at fault.
        """
        _check_size(len(data))
        if not data.startswith(HEADER):
            raise Invalid(f"a manifest begins with {HEADER.decode().strip()!r}, not {data[: len(HEADER)]!r}")
        entries = _read_lines(data)
        check_order(entries)
        return cls(entries)


def _sort_key(entry: Entry) -> bytes:
    return entry.path.encode("utf-8", "surrogatepass")  # what is wrong with it, the check says


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise Invalid(f"a manifest may have {MAX_BYTES} bytes, not {size}")


def _read_lines(data: bytes) -> list[Entry]:
    """Read all lines at once; which one is at fault is looked for only where one is."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[data.rfind(b"\n", 0, error.start) + 1 :][:4200].split(b"\n")[0]
        raise Invalid(f"the line {line!r} of the manifest is not UTF-8") from error
    if not text.endswith("\n"):
        raise Invalid(f"the last line of the manifest is cut off: {text.rpartition(chr(10))[2][:200]!r}")
    lines = cast("list[tuple[Mode, str, str, str]]", _LINE.findall(text, len(HEADER)))
    if sum(_FIXED + len(size) + len(path) for _, _, size, path in lines) != len(text) - len(HEADER):
        number, wrong = next(each for each in enumerate(text.split("\n")[1:], 2) if not _LINE.fullmatch(each[1] + "\n"))
        raise Invalid(f"line {number} of the manifest is not `mode id size path`: {wrong[:200]!r}")
    return [Entry(path, mode, int(size), ObjectId(id)) for mode, id, size, path in lines]


def check_order(entries: Sequence[Entry]) -> None:
    """Hold decoded entries to the order of their paths.

    Raises:
        Invalid: If two are in another order; names the second.
    """
    last = ""
    for entry in entries:
        if entry.path <= last:  # characters are in the order of their UTF-8 bytes
            raise Invalid(f"{printable(entry.path)} stands twice in the manifest, or out of order")
        last = entry.path


def check_entries(entries: Sequence[Entry]) -> None:
    """Hold sorted entries to every other rule.

    Raises:
        Invalid: If one breaks a rule; names its path.
    """
    if len(entries) > MAX_ENTRIES:
        raise Invalid(f"a snapshot may hold {MAX_ENTRIES} files, not {len(entries)}")
    collide = _Collisions()
    for path, mode, size, id in entries:
        reason = explain_path(path)
        if reason is not None:
            raise Invalid(f"{printable(path)} {reason}")
        if mode not in ("file", "exec"):
            raise Invalid(f"{path} has the mode {mode!r}; a file is `file` or `exec`")
        if not 0 <= size <= MAX_FILE:
            raise Invalid(f"{path} has {size} bytes; a file has at most {MAX_FILE}")
        if len(id) != 64 or (size == 0) != (id == EMPTY):
            raise Invalid(f"{path} has {size} bytes and the id {id[:64]!r}, which cannot both be")
        collide.add(path)


class _Collisions:
    """Finds paths that are one file, or a file and a folder, to some file system."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._parent = ""

    def add(self, path: str) -> None:
        parent, _, _ = path.rpartition("/")
        if parent != self._parent:
            self._parent = parent
            self._enter(parent, path)
        folded = fold_name(path)
        other = self._files.get(folded)
        self._files[folded] = path
        if other is not None:
            problem = "stands twice" if other == path else f"and {printable(other)} differ in case or spelling only"
            raise Invalid(f"{printable(path)} {problem}; some file systems cannot hold both")
        if folded in self._folders:
            raise Invalid(f"{printable(path)} is a file and a folder at once")

    def _enter(self, folder: str, path: str) -> None:
        while folder:
            folded = fold_name(folder)
            other = self._folders.setdefault(folded, folder)
            if other != folder:
                raise Invalid(
                    f"the folders {printable(folder)} and {printable(other)} differ in case or spelling only; "
                    "some file systems cannot hold both"
                )
            if folded in self._files:
                raise Invalid(
                    f"{printable(self._files[folded])} is a file and a folder at once (see {printable(path)})"
                )
            folder, _, _ = folder.rpartition("/")


def cut_manifest(data: bytes, hash_path: Callable[[bytes], int]) -> Iterator[tuple[int, int]]:
    """Yield where an encoded manifest is cut into parts, so that a small change touches one part.

    A part ends after a line whose path hashes to a multiple of 128, and after
    32 KiB of lines at the latest; how it is cut is no part of the format.
    """
    begin, at = 0, 0
    while at < len(data):
        end = data.index(b"\n", at) + 1
        path = data[data.rfind(b" ", at, end) + 1 : end]
        if end - begin >= _LARGEST_CUT or hash_path(path) % _CUT == 0:
            yield begin, end
            begin = end
        at = end
    if begin < len(data):
        yield begin, len(data)
