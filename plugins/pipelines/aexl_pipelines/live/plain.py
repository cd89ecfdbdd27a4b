"""Runs where there is no terminal: a line for what matters, and nothing moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, TextIO

from aexl_pipelines.journal.records import Progress, Record
from aexl_pipelines.live.lines import run_line
from aexl_pipelines.live.summary import resuming
from aexl_pipelines.live.view import View


class PlainView:
    """An ``Observer`` that prints lines.

    Args:
        out: Where to.
        quiet: Only what asks for a person.
    """

    shows_text = False
    """Whether answers are shown as they come."""

    def __init__(self, out: TextIO, *, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet
        self._view = View()

    def see(self, run: str, seen: Record | Progress) -> None:
        """Print what happened."""
        self._view.see(run, seen)
        if self._quiet:
            return
        line = run_line(seen)
        if line is not None:
            child = f"[{run[-6:]}] " if run != self._view.main else ""
            self._print(f"aexl: {child}{line}")

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Nothing moves, so there is nothing to hold."""
        yield

    def summarize(self) -> None:
        """Say how to go on with a run that has not completed; the last line has said the rest."""
        for command in () if self._quiet else resuming(self._view):
            self._print(f"aexl: to go on: {command}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _print(self, line: str) -> None:
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except OSError:  # whoever listened has gone; the run has not
            self._quiet = True
