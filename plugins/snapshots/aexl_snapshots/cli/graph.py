"""The lines beside a log that show what was made from what. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import ObjectId


class Graph:
    """Draws one column for each line of history that is open; snapshots come before their parents."""

    def __init__(self) -> None:
        self._columns: list[ObjectId] = []

    def draw(self, id: ObjectId, parents: Sequence[ObjectId]) -> tuple[str, list[str]]:
        """Return what stands before a snapshot's first line, and the lines that lead on to its parents."""
        if id not in self._columns:
            self._columns.append(id)
        at = self._columns.index(id)
        node = " ".join("*" if column == at else "|" for column in range(len(self._columns)))
        fresh = [parent for parent in parents if parent not in self._columns]
        joins = [self._columns.index(parent) for parent in parents if parent in self._columns]
        width = len(self._columns)
        self._columns[at : at + 1] = fresh
        return node, [line for line in _lead(at, width, len(fresh), joins) if line]

    @property
    def margin(self) -> str:
        """What stands before the further lines of a snapshot."""
        return " ".join("|" for _ in self._columns) or " "


def _lead(at: int, width: int, fresh: int, joins: Sequence[int]) -> list[str]:
    """Return the line between two rows where columns come, go or join; columns stand two characters apart.

    Args:
        at: The snapshot's column, of ``width``.
        fresh: How many of its parents get a column where it stood.
        joins: The columns that its other parents have already.
    """
    if fresh == 1 and not joins:
        return []
    line = [" "] * (2 * (width + max(fresh, 1)) + 2)
    shift = fresh - 1
    for column in range(width):
        if column < at:
            line[2 * column] = "|"
        elif column > at:
            line[2 * column + max(-1, min(1, shift))] = "|" if not shift else "\\" if shift > 0 else "/"
    for number in range(fresh):
        line[2 * at + max(0, 2 * number - 1)] = "\\" if number else "|"
    for column in joins:
        if column < at:
            line[2 * column + 1 : 2 * at - 1] = [
                "_" if mark == " " else mark for mark in line[2 * column + 1 : 2 * at - 1]
            ]
            line[2 * at - 1] = "/"
        elif fresh:
            line[2 * at + 1] = "\\"
        else:
            line[2 * at] = "|"
    return ["".join(line).rstrip()]
