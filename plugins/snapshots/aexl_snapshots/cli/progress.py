"""How far a command is, with its rate and the time that remains; on a terminal only."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aexl_snapshots.progress import Meter, Report

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """Draws a bar on standard error while its context is open, and takes it away afterwards.

    Attributes:
        meter: What the work counts with.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self.meter = Meter(self._show if sys.stderr.isatty() else None)

    def __enter__(self) -> Self:
        return self

    def pause(self) -> None:
        """Take the bar away for a question; it comes back with the next report."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def _show(self, report: Report) -> None:
        """Called from any thread."""
        if self._bar is None or self._task is None:
            self._bar = _make_bar()
            self._task = self._bar.add_task("", total=None, rate="")
            self._bar.start()
        rate = f"{report.rate / 1_000_000:,.1f} MB/s" if report.rate else ""
        description = report.phase.capitalize()
        self._bar.update(
            self._task, description=description, completed=report.done, total=report.total or None, rate=rate
        )


def _make_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
