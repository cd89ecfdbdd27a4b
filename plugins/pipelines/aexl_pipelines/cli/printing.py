"""A run as lines of JSON: one for each thing that happens, and a summary at the end."""

from __future__ import annotations

import queue
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import msgspec

from aexl.api.money import NANOS
from aexl_pipelines.execution.requests import RunResult
from aexl_pipelines.journal.lines import as_json
from aexl_pipelines.journal.records import Progress, Record, RunEnded

_MOST_PROGRESS: Final = 10_000
"""Events that wait for a slow reader; further ones are left out. Records never are."""


class LineView:
    """An ``Observer`` that prints, in a thread of its own, because a reader may be slow.

    Args:
        out: Where to; standard output by default.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._print, daemon=True)
        self._run = ""
        self._ended: RunEnded | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.put(None)
        self._thread.join()

    def see(self, run: str, seen: Record | Progress) -> None:
        """Print what happened. Does not wait."""
        self._run = self._run or run
        if isinstance(seen, RunEnded) and run == self._run:
            self._ended = seen
        if isinstance(seen, Progress) and self._lines.qsize() > _MOST_PROGRESS:
            return
        self._lines.put(line_of(run, seen))

    def finish(self, result: RunResult | None, runs: Path) -> None:
        """Print the summary; that of a run which was cancelled is made from its last record.

        Args:
            runs: The folder that has a folder for each run.
        """
        if result is None and self._ended is not None:
            from aexl_pipelines.execution.driving import result_of

            result = result_of(runs / self._run, self._ended)
        if result is not None:
            self._lines.put(summary_line(result))

    def _print(self) -> None:
        gone = False
        while (line := self._lines.get()) is not None:
            if gone:
                continue
            try:
                self._out.write(line + "\n")
                self._out.flush()
            except OSError:  # whoever listened has gone; the run has not
                gone = True


def line_of(run: str, seen: Record | Progress) -> str:
    """Return a record as JSON, with the run that it is of."""
    return f'{{"run":"{run}",' + as_json(seen).decode()[1:] if not _has_run(seen) else as_json(seen).decode()


def _has_run(seen: Record | Progress) -> bool:
    return "run" in seen.__struct_fields__


def summary_line(result: RunResult) -> str:
    """Return what came of a run, as the last line."""
    return msgspec.json.encode({"type": "summary", **summary_of(result)}, enc_hook=str).decode()


def summary_of(result: RunResult) -> dict[str, object]:
    """Return what came of a run, as JSON values; money in USD."""
    return {
        "run": result.run,
        "status": result.status,
        "exit_code": result.exit_code,
        "message": result.message,
        "response": result.response,
        "outputs": result.outputs,
        "usage": result.usage,
        "cost_usd": _usd(result.cost),
        "booked_usd": _usd(result.booked),
        "turns": result.turns,
        "duration": round(result.duration, 3),
        "folder": str(result.folder),
    }


def _usd(nanos: int | None) -> float | None:
    return None if nanos is None else nanos / NANOS
