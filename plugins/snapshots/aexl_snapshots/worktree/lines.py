"""The difference of two sequences of lines. Pure.

Lines that stand once on each side tie the two together; what lies between two
ties is compared by Myers' greedy algorithm, up to ``MOST_EDITS``, and where that is
not enough it counts as replaced. So the time is bounded by the length of the texts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

MOST_EDITS: Final = 256
"""Lines that may differ between two ties before the search for the best match ends."""

MOST_TIES_DEEP: Final = 16
"""How often ties are looked for between ties."""

CONTEXT: Final = 3


_Window = tuple[int, int, int, int]
"""A range of lines of the one, then of the other."""


class Match(NamedTuple):
    """``size`` lines are equal, from ``old`` in the one and ``new`` in the other."""

    old: int
    new: int
    size: int


def find_matches(old: Sequence[bytes], new: Sequence[bytes]) -> list[Match]:
    """Return what is equal, in order, ending with an empty match behind both ends."""
    pairs = list(_merge(_match(old, new, (0, len(old), 0, len(new)), 0)))
    return [*pairs, Match(len(old), len(new), 0)]


def _merge(matches: Iterator[Match]) -> Iterator[Match]:
    last: Match | None = None
    for match in matches:
        if last is not None and last.old + last.size == match.old and last.new + last.size == match.new:
            last = Match(last.old, last.new, last.size + match.size)
            continue
        if last is not None:
            yield last
        last = match
    if last is not None:
        yield last


def _match(a: Sequence[bytes], b: Sequence[bytes], window: _Window, depth: int) -> Iterator[Match]:
    """Yield matches within a window; equal ends first, then ties, then Myers."""
    i, iend, j, jend = window
    start = i
    while i < iend and j < jend and a[i] == b[j]:
        i, j = i + 1, j + 1
    if i > start:
        yield Match(start, j - (i - start), i - start)
    behind = 0
    while i < iend - behind and j < jend - behind and a[iend - behind - 1] == b[jend - behind - 1]:
        behind += 1
    iend, jend = iend - behind, jend - behind
    if i < iend and j < jend:
        ties = _find_ties(a, b, (i, iend, j, jend)) if depth < MOST_TIES_DEEP else []
        if ties:
            for tie_i, tie_j in ties:
                yield from _match(a, b, (i, tie_i, j, tie_j), depth + 1)
                yield Match(tie_i, tie_j, 1)
                i, j = tie_i + 1, tie_j + 1
            yield from _match(a, b, (i, iend, j, jend), depth + 1)
        else:
            yield from _myers(a, b, (i, iend, j, jend))
    if behind:
        yield Match(iend, jend, behind)


def _find_ties(a: Sequence[bytes], b: Sequence[bytes], window: _Window) -> list[tuple[int, int]]:
    """Return the longest rising run of lines that stand once on each side."""
    i, iend, j, jend = window
    once: dict[bytes, int] = {}
    for at in range(i, iend):
        once[a[at]] = -1 if a[at] in once else at
    there: dict[bytes, int] = {}
    for at in range(j, jend):
        if once.get(b[at], -1) >= 0:
            there[b[at]] = -1 if b[at] in there else at
    pairs = [(old, there[line]) for line, old in once.items() if old >= 0 and there.get(line, -1) >= 0]
    return _longest_rise(pairs)


def _longest_rise(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest subsequence whose second numbers rise (the first ones do already)."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for index, (_, value) in enumerate(pairs):
        at = bisect_left(tails, value)
        before.append(ends[at - 1] if at else -1)
        if at == len(tails):
            tails.append(value)
            ends.append(index)
        else:
            tails[at], ends[at] = value, index
    chain: list[tuple[int, int]] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]


def _myers(a: Sequence[bytes], b: Sequence[bytes], window: _Window) -> Iterator[Match]:
    """Yield the matches of a shortest edit, or none where it needs over ``MOST_EDITS`` edits."""
    i, iend, j, jend = window
    n, m = iend - i, jend - j
    reach = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(n + m, MOST_EDITS) + 1):
        trail.append(dict(reach))
        for diagonal in range(-edits, edits + 1, 2):
            down = diagonal == -edits or (diagonal != edits and reach[diagonal - 1] < reach[diagonal + 1])
            x = reach[diagonal + 1] if down else reach[diagonal - 1] + 1
            y = x - diagonal
            while x < n and y < m and a[i + x] == b[j + y]:
                x, y = x + 1, y + 1
            reach[diagonal] = x
            if x >= n and y >= m:
                yield from reversed(list(_walk_back(trail, n, m, i, j)))
                return


def _walk_back(trail: Sequence[dict[int, int]], x: int, y: int, i: int, j: int) -> Iterator[Match]:
    for edits in range(len(trail) - 1, -1, -1):
        reach, diagonal = trail[edits], x - y
        down = diagonal == -edits or (diagonal != edits and reach[diagonal - 1] < reach[diagonal + 1])
        start = reach[diagonal + 1] if down else reach[diagonal - 1] + 1
        if edits == 0:
            start = 0
        if x > start:
            yield Match(i + start, j + start - diagonal, x - start)
        before = diagonal + 1 if down else diagonal - 1
        x = reach[before] if edits else 0
        y = x - before


def unified(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the hunks of a unified diff, each line with its line end; nothing if they are equal."""
    for hunk in _hunks(_changes(find_matches(old, new))):
        first, last = hunk[0], hunk[-1]
        old_start, new_start = max(0, first[0] - CONTEXT), max(0, first[2] - CONTEXT)
        old_end, new_end = min(len(old), last[1] + CONTEXT), min(len(new), last[3] + CONTEXT)
        yield f"@@ -{_span(old_start, old_end)} +{_span(new_start, new_end)} @@\n".encode()
        at = old_start
        for old_from, old_to, new_from, new_to in hunk:
            yield from _marked(b" ", old[at:old_from])
            yield from _marked(b"-", old[old_from:old_to])
            yield from _marked(b"+", new[new_from:new_to])
            at = old_to
        yield from _marked(b" ", old[at:old_end])


_Change = tuple[int, int, int, int]


def _changes(matches: Sequence[Match]) -> Iterator[_Change]:
    old = new = 0
    for match in matches:
        if old < match.old or new < match.new:
            yield old, match.old, new, match.new
        old, new = match.old + match.size, match.new + match.size


def _hunks(changes: Iterator[_Change]) -> Iterator[list[_Change]]:
    hunk: list[_Change] = []
    for change in changes:
        if hunk and change[0] - hunk[-1][1] > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _span(start: int, end: int) -> str:
    size = end - start
    return f"{start + 1 if size else start}" + ("" if size == 1 else f",{size}")


def _marked(mark: bytes, lines: Sequence[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield mark + line if line.endswith(b"\n") else mark + line + b"\n\\ No newline at end of file\n"
