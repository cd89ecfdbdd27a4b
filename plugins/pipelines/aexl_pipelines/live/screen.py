"""A run on a terminal: what has ended scrolls away above, what runs moves below."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from aexl_pipelines.journal.records import GateDecided, GateOpened, Noted, Progress, Record, StepEnded
from aexl_pipelines.live import summary
from aexl_pipelines.live.frame import Line, draw
from aexl_pipelines.live.lines import log_line, mark, step_sentence
from aexl_pipelines.live.view import View
from aexl_pipelines.live.words import clean, place, without_signs

_PER_SECOND: Final = 8
_HELD: Final = 1000
"""Blocks that wait while a person is asked; of more, the oldest are lost to the screen, not to the journal."""

_OUTPUT_LINES: Final = 12
"""Lines of a program's output that are shown: its end."""

_NO_STEPS: Final = frozenset({"do_while", "for_each"})


class ScreenView:
    """An ``Observer`` that draws; to be used as a context.

    Args:
        out: The terminal.
        clock: Returns the Unix time.
        texts: Show what agents answered and programs printed when a step has ended.
    """

    shows_text = True
    """Whether answers are shown as they come."""

    def __init__(self, out: TextIO, *, clock: Callable[[], float] = time.time, texts: bool = True) -> None:
        self._console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._signs = _can_sign(out)
        self._clock = clock
        self._texts = texts
        self._view = View()
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._holders = 0
        self._held: deque[Text] = deque(maxlen=_HELD)

    def see(self, run: str, seen: Record | Progress) -> None:
        """Take in what happened, and print what stays."""
        with self._lock:
            self._view.see(run, seen)
        block = self._block(seen)
        if block is None:
            return
        if self._holders:
            self._held.append(block)
        else:
            self._print(block)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Take the hands off the terminal: nothing is written to it within the block."""
        self._holders += 1
        if self._holders == 1:
            self._stop()
        try:
            yield
        finally:
            self._holders -= 1
            if self._holders == 0:
                while self._held:
                    self._print(self._held.popleft())
                self._start()

    def summarize(self) -> None:
        """Print the table; to be called after the context."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        width = self._console.width
        for column in summary.columns(width):
            name = column.removeprefix(">")
            table.add_column(
                name,
                justify="right" if column.startswith(">") else "left",
                overflow="fold" if name == "step" else "crop",
                no_wrap=name != "step",
            )
        listed = summary.rows(self._view, width, signs=self._signs)
        for row in listed:
            table.add_row(*(Text(cell) for cell in row))
        if listed:
            self._console.print()
            self._console.print(table)
        for line in summary.closing_lines(self._view):
            self._print(Text(line))

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self) -> None:
        self._live = Live(
            console=self._console,
            get_renderable=self._frame,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._live.start()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _frame(self) -> Group:
        width, height = self._console.size
        with self._lock:
            lines = draw(self._view, self._clock(), width, max(height - 1, 1), signs=self._signs)
        return Group(*(self._styled(line) for line in lines))

    def _print(self, block: Text) -> None:
        try:
            self._console.print(self._shown(block), soft_wrap=True)
        except OSError:  # the terminal has gone; the run has not
            self._console.quiet = True

    def _block(self, seen: Record | Progress) -> Text | None:
        match seen:
            case StepEnded(kind=kind) if kind in _NO_STEPS and seen.status == "completed":
                return None
            case StepEnded():
                return self._ended(seen)
            case GateOpened() | GateDecided() | Noted():
                said = log_line(seen)
                return None if said is None else Text(f"? {said}" if isinstance(seen, GateOpened) else f"  {said}")
            case _:
                return None

    def _ended(self, ended: StepEnded) -> Text:
        sign, colour = mark(ended, signs=self._signs)
        block = Text.assemble((f"{sign} ", colour), (place(ended.step), "bold"), (f"  {step_sentence(ended)}", "dim"))
        if self._texts and not ended.quiet:
            for line in _said(ended):
                block.append(f"\n  {line}")
        return block

    def _styled(self, line: Line) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis" if self._signs else "crop")
        for part, style in line:
            text.append(part, style)
        return self._shown(text)

    def _shown(self, text: Text) -> Text:
        if not self._signs:
            text.plain = without_signs(text.plain)
        return text


def _said(ended: StepEnded) -> list[str]:
    if ended.response is not None:
        text, most = ended.response, None
    else:
        text, most = (ended.stdout or "") + (ended.stderr or ""), _OUTPUT_LINES
    lines = clean(text).strip("\n").split("\n") if text.strip() else []
    if most is None or len(lines) <= most:
        return lines
    return [f"… {len(lines) - most} lines", *lines[-most:]]


def _can_sign(out: TextIO) -> bool:
    """Return whether the terminal can show more than ASCII."""
    return "utf" in (getattr(out, "encoding", None) or "").lower() and os.environ.get("TERM") != "linux"
