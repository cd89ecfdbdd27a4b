"""Whether an answer is looked for before it is waited for."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 63
"""Reads in a row that are not tried, at most."""


class Eagerness:
    """Says of one connection whether to try its next read at once: as long as that mostly succeeds.

    Where there is much to do, the answer has mostly come when the loop has gone around once; to wait for it costs a
    system call and some steps of trio's more. Where there is little to do it never has come. A try that fails doubles
    how many reads are not tried, and one that succeeds halves it (``docs/explanation/performance.md``).
    """

    __slots__ = ("_pause", "_rest")

    def __init__(self) -> None:
        self._pause = 0
        self._rest = 0

    def wants(self) -> bool:
        """Say whether to try the read that begins now."""
        if self._rest:
            self._rest -= 1
            return False
        return True

    def succeed(self) -> None:
        """Note that there was something."""
        self._pause = self._rest = self._pause // 2

    def fail(self) -> None:
        """Note that there was nothing yet."""
        self._pause = self._rest = min(2 * self._pause + 1, LONGEST)
