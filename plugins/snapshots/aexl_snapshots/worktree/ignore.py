"""Ignore files with gitignore's exact semantics. Pure.

``RuleFile`` is one file: its last rule that matches decides. ``Rules`` are those
that count in one folder: its own file, then its parents' up to the root, then the
defaults. Who walks the tree does not enter a folder that is ignored, which is why
nothing below one can be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Self

from aexl.errors import Invalid
from aexl_snapshots.worktree.globs import LONGEST, Glob, NeverMatches, Subject

FILE_NAME: Final = ".aexlignore"
LARGEST: Final = 1024 * 1024
"""Bytes of an ignore file."""

_SPECIAL: Final = re.compile(rb"[*?\[\\]")
_NONE: Final = (-1, -1)

_Both = tuple[int, int]
"""The index of the last rule that matches a file, and of the last that matches a folder; -1 for none."""


class RuleFile:
    """The rules of one ignore file, arranged so that most names cost two look-ups.

    Raises:
        Invalid: If the file is larger than ``LARGEST``.
    """

    __slots__ = ("_endings", "_globs", "_name_beginnings", "_names", "_negative", "_path_beginnings", "_paths")

    def __init__(self, data: bytes) -> None:
        if len(data) > LARGEST:
            raise Invalid(f"an ignore file has {len(data)} bytes; the limit is {LARGEST}")
        self._names: dict[bytes, _Both] = {}
        self._endings: dict[bytes, _Both] = {}
        self._paths: dict[bytes, _Both] = {}
        self._globs: list[tuple[int, bool, bool, bytes, Glob]] = []
        self._name_beginnings: tuple[bytes, ...] = ()
        self._path_beginnings: tuple[bytes, ...] = ()
        self._negative: list[bool] = []
        for line in _lines(data):
            self._add(line)
        self._globs.reverse()

    def __bool__(self) -> bool:
        return bool(self._negative)

    def _add(self, line: bytes) -> None:
        index = len(self._negative)
        negative = line.startswith(b"!")
        pattern = line[negative:]
        folders_only = pattern.endswith(b"/")
        pattern = pattern[: len(pattern) - folders_only]
        anchored = b"/" in pattern
        pattern = pattern.removeprefix(b"/")
        self._negative.append(negative)
        if len(pattern) > LONGEST and not _SPECIAL.search(pattern):
            return None
        table, key = self._paths if anchored else self._names, pattern
        if _SPECIAL.search(pattern):
            ending = pattern[2:]
            if anchored or not pattern.startswith(b"*.") or b"." in ending or _SPECIAL.search(ending):
                return self._add_glob(index, folders_only, anchored, pattern)
            table, key = self._endings, ending
        before = table.get(key, _NONE)
        table[key] = (before[0] if folders_only else index, index)
        return None

    def _add_glob(self, index: int, folders_only: bool, anchored: bool, pattern: bytes) -> None:
        # git compares the part before the first wildcard by itself, so that what is left is a pattern with
        # a beginning of its own: `a**/x` is `a`, then `**/x`.
        special = _SPECIAL.search(pattern)
        literal = pattern[: special.start()] if special is not None else b""
        try:
            glob = Glob(pattern[len(literal) :])
        except NeverMatches:
            return
        self._globs.append((index, folders_only, anchored, literal, glob))
        if anchored:
            self._path_beginnings += (literal,)
        else:
            self._name_beginnings += (literal,)

    def verdict(self, name: bytes, path: bytes, folder: bool) -> bool | None:
        """Say whether the file ignores something, takes it back (``False``), or says nothing of it.

        Args:
            name: The last part of ``path``.
            path: Relative to the folder that the file lies in, with ``/`` between the parts.
            folder: It is a folder.
        """
        best = self._names.get(name, _NONE)[folder]
        if self._paths:
            best = max(best, self._paths.get(path, _NONE)[folder])
        if self._endings:
            _, dot, ending = name.rpartition(b".")
            if dot:
                best = max(best, self._endings.get(ending, _NONE)[folder])
        if name.startswith(self._name_beginnings) or path.startswith(self._path_beginnings):  # else no glob can match
            best = self._last_glob(best, name, path, folder)
        return None if best < 0 else not self._negative[best]

    def _last_glob(self, best: int, name: bytes, path: bytes, folder: bool) -> int:
        subjects: dict[bytes, Subject] = {}
        for index, folders_only, anchored, literal, glob in self._globs:
            if index < best:
                return best
            text = path if anchored else name
            if (folder or not folders_only) and text.startswith(literal):
                rest = text[len(literal) :]
                if rest not in subjects:
                    subjects[rest] = Subject(rest)
                if glob.matches(subjects[rest]):
                    return index
        return best


def _lines(data: bytes) -> Iterator[bytes]:
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        if not line or line.startswith(b"#"):
            continue
        line = line.removesuffix(b"\r").partition(b"\0")[0]
        yield _trim(line)


def _trim(line: bytes) -> bytes:
    """Take spaces off the end, unless a backslash keeps the first of them."""
    bare = line.rstrip(b" ")
    if len(bare) == len(line):
        return line
    slashes = len(bare) - len(bare.rstrip(b"\\"))
    return bare + b" " if slashes % 2 else bare


class Rules:
    """What is ignored in one folder and, unless they say otherwise, in those below it."""

    __slots__ = ("_files",)

    def __init__(self, files: Iterable[tuple[int, RuleFile]] = ()) -> None:
        self._files = tuple(files)

    @classmethod
    def of(cls, *texts: bytes) -> Self:
        """Return the rules of a tree's root, the weakest first."""
        return cls((0, RuleFile(text)) for text in reversed(texts))

    def below(self, folder: bytes, data: bytes) -> Rules:
        """Return the rules of a folder that has an ignore file of its own.

        Args:
            folder: Its path from the root, ending in ``/``; empty for the root itself.
        """
        return Rules(((len(folder), RuleFile(data)), *self._files))

    def ignore(self, name: bytes, path: bytes, folder: bool) -> bool:
        """Say whether something is ignored, given that the folder it lies in is not.

        Args:
            path: From the root.
        """
        for skip, rules in self._files:
            verdict = rules.verdict(name, path[skip:], folder)
            if verdict is not None:
                return verdict
        return False
