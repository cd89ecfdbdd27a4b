"""Every object of a pack in memory, checked. Pure.

An object in parts is checked as a whole, too, where all of its parts are in the
same pack: they are opened once for both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.objects import pack


class Examined(NamedTuple):
    """What was seen.

    Attributes:
        proven: Objects in parts whose parts are their bytes.
        problems: Objects that are damaged, with what is wrong.
    """

    proven: set[ObjectId]
    problems: list[tuple[ObjectId, Invalid]]

    def refuse(self) -> None:
        """Do not accept anything that is damaged.

        Raises:
            Invalid: If an object is; names the first.
        """
        if self.problems:
            raise self.problems[0][1]


Keep = Callable[[bytes, bytes], None]
"""Told the id and bytes of each whole object, or part of one, that is sound."""


def examine(data: bytes, rows: Sequence[pack.Row], what: str, keep: Keep | None = None) -> Examined:
    """Check the objects of a pack.

    Args:
        what: Where it is from, for the errors.
        keep: For who needs the objects next.
    """
    return _Examination(data, rows, what, keep).run()


class _Examination:
    def __init__(self, data: bytes, rows: Sequence[pack.Row], what: str, keep: Keep | None) -> None:
        self._view = memoryview(data)
        self._rows = {row.id: row for row in rows}
        self._what = what
        self._keep = keep
        self._opened: set[bytes] = set()
        self._seen = Examined(set(), [])

    def run(self) -> Examined:
        for row in self._rows.values():
            if row.kind == pack.PARTS and isinstance(parts := self._open(row), list):
                self._join(row, parts)
        for row in self._rows.values():
            if row.id not in self._opened:
                self._open(row)
        return self._seen

    def _open(self, row: pack.Row) -> bytes | list[pack.Part] | None:
        self._opened.add(row.id)
        try:
            data = pack.open_frame(row, self._view[row.offset : row.offset + row.stored], self._what)
        except Invalid as error:
            self._seen.problems.append((pack.object_of(row), error))
            return None
        if self._keep is not None and isinstance(data, bytes):
            self._keep(row.id, data)
        return data

    def _join(self, row: pack.Row, parts: Sequence[pack.Part]) -> None:
        """Put the parts together, if all are here and sound; what is not says so itself."""
        if any(part.id not in self._rows for part in parts):
            return
        digest = hashlib.sha256()
        for part in parts:
            data = self._open(self._rows[part.id])
            if data is None:
                return
            if isinstance(data, list) or len(data) != part.size:
                self._blame(row, f"its part {part.id.hex()} is not one")
                return
            digest.update(data)
        if digest.digest() == row.id:
            self._seen.proven.add(pack.object_of(row))
        else:
            self._blame(row, "its parts are not its bytes")

    def _blame(self, row: pack.Row, problem: str) -> None:
        error = Invalid(f"object {row.id.hex()} in {self._what} is damaged: {problem}")
        self._seen.problems.append((pack.object_of(row), error))
