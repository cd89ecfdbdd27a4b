"""A line that shows how far something is, on a terminal; elsewhere nothing."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Self

REDRAW_SECONDS: Final = 0.1
BAR: Final = 24


class Progress:
    """Draws on standard error while its context is open, and leaves the line clean."""

    def __init__(self, what: str, unit: str) -> None:
        self._what = what
        self._unit = unit
        self._on = sys.stderr.isatty()
        self._drawn = 0.0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, done: int, of: int) -> None:
        """Say that ``done`` of ``of`` are done; draws ten times a second at most."""
        if not self._on:
            return
        now = time.monotonic()
        if now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        sys.stderr.write("\r\x1b[K" + self.text(done, of, now - self._started))
        sys.stderr.flush()

    def text(self, done: int, of: int, seconds: float) -> str:
        """Return the line."""
        full = BAR * done // of if of else BAR
        rate = f", {done / seconds:,.0f}/s" if seconds > 0 else ""
        return f"{self._what} [{'#' * full}{'.' * (BAR - full)}] {done:,} of {of:,} {self._unit}{rate}"
