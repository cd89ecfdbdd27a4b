"""Three texts into one: what both sides changed of their common ancestor (diff3). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aexl_snapshots.worktree.lines import Match, find_matches


class MergedText(NamedTuple):
    """A text, and how many places in it both sides changed differently; those stand between markers."""

    data: bytes
    conflicts: int


class _Chunk(NamedTuple):
    """A part of the three texts; ``stable`` where all are equal."""

    stable: bool
    base: Sequence[bytes]
    ours: Sequence[bytes]
    theirs: Sequence[bytes]


def is_text(data: bytes) -> bool:
    """Say whether lines mean anything in it: there is no NUL in the first 8,000 bytes, as git has it."""
    return b"\0" not in data[:8000]


def merge_texts(base: bytes, ours: bytes, theirs: bytes, *, labels: tuple[str, str] = ("ours", "theirs")) -> MergedText:
    """Merge line by line; where both changed the same place differently, keep both between markers."""
    parts = [split_lines(text) for text in (base, ours, theirs)]
    merged: list[bytes] = []
    conflicts = 0
    for chunk in _chunks(*parts):
        if chunk.stable or chunk.ours == chunk.theirs or chunk.theirs == chunk.base:
            merged += chunk.ours
        elif chunk.ours == chunk.base:
            merged += chunk.theirs
        else:
            conflicts += 1
            merged += _marked(chunk, labels)
    return MergedText(b"".join(merged), conflicts)


def split_lines(data: bytes) -> list[bytes]:
    """Return the lines with their ends; only a line feed ends one."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _marked(chunk: _Chunk, labels: tuple[str, str]) -> Iterator[bytes]:
    yield f"<<<<<<< {labels[0]}\n".encode()
    yield from _whole(chunk.ours)
    yield b"=======\n"
    yield from _whole(chunk.theirs)
    yield f">>>>>>> {labels[1]}\n".encode()


def _whole(lines: Sequence[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield line if line.endswith(b"\n") else line + b"\n"


def _chunks(base: Sequence[bytes], ours: Sequence[bytes], theirs: Sequence[bytes]) -> Iterator[_Chunk]:
    """Yield the texts cut into parts that all three share, and parts that they do not."""
    b = o = t = 0
    for common in _common(find_matches(base, ours), find_matches(base, theirs)):
        if b < common[0] or o < common[1] or t < common[2]:
            yield _Chunk(False, base[b : common[0]], ours[o : common[1]], theirs[t : common[2]])
        b, o, t = (at + common[3] for at in common[:3])
        if common[3]:
            yield _Chunk(True, (), ours[o - common[3] : o], ())


def _common(ours: Sequence[Match], theirs: Sequence[Match]) -> Iterator[tuple[int, int, int, int]]:
    """Yield ranges of the base that both sides kept, as starts in base, ours and theirs, and a size."""
    i = j = 0
    while i < len(ours) and j < len(theirs):
        mine, other = ours[i], theirs[j]
        start = max(mine.old, other.old)
        end = min(mine.old + mine.size, other.old + other.size)
        last = i == len(ours) - 1 and j == len(theirs) - 1
        if start < end or last:
            yield start, mine.new + start - mine.old, other.new + start - other.old, end - start
        if mine.old + mine.size < other.old + other.size or (i < len(ours) - 1 and j == len(theirs) - 1):
            i += 1
        else:
            j += 1
