"""Which view a command gets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol, Self, TextIO

from aexl_pipelines.journal.records import Progress, Record


class RunView(Protocol):
    """An ``Observer`` for people. Used as a context while the run runs; ``summarize`` comes after it."""

    shows_text: bool

    def see(self, run: str, seen: Record | Progress) -> None:
        """Hear of what happened. Does not wait."""
        ...

    def suspended(self) -> AbstractContextManager[None]:
        """Leave the terminal alone within a block: somebody is asked something there."""
        ...

    def summarize(self) -> None:
        """Print the table of steps."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_view(
    *,
    plain: bool = False,
    quiet: bool = False,
    texts: bool = True,
    out: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> RunView:
    """Return the view for a run: it moves on a terminal, and is a few lines anywhere else.

    Args:
        plain: Lines, also on a terminal.
        quiet: Nothing at all.
        texts: On a terminal, show what agents answered.
        out: Where to; standard error by default, because answers go to standard output.
        environ: ``TERM=dumb`` has nothing that moves, and ``NO_COLOR`` no colours.
    """
    out = sys.stderr if out is None else out
    if plain or quiet or not out.isatty() or environ.get("TERM") in {"dumb", "unknown"}:
        from aexl_pipelines.live.plain import PlainView

        return PlainView(out, quiet=quiet)
    from aexl_pipelines.live.screen import ScreenView

    return ScreenView(out, texts=texts)
