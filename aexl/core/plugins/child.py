"""Running a program to its end, within a time, and keeping the last of what it says."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from aexl.api import ProcessSpec
from aexl.core.processes.running import spawn

if TYPE_CHECKING:
    from trio.abc import ReceiveChannel


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        status: Its exit code, or minus the signal; ``None`` if its time was over and it was killed.
        said: The last lines of its standard error, in order, and of its output if that was asked for.
    """

    status: int | None
    said: Sequence[str]


def run_child(spec: ProcessSpec, *, seconds: float, lines: int, output: bool = False) -> Ended:
    """Run a program in a loop of its own; everything it started ends with it.

    Args:
        lines: How many lines are kept.
        output: Keep standard output too, instead of dropping it.
    """
    return trio.run(partial(_watch, spec, seconds, deque(maxlen=lines), output=output))


async def _watch(spec: ProcessSpec, seconds: float, said: deque[str], *, output: bool) -> Ended:
    status: int | None = None
    async with spawn(spec) as process:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep, process.lines, said if output else deque(maxlen=0))
                nursery.start_soon(_keep, process.stderr, said)
            status = await process.wait()
    return Ended(status, tuple(said))


async def _keep(channel: ReceiveChannel[bytes], said: deque[str]) -> None:
    async for line in channel:
        said.append(line.decode(errors="replace").rstrip())
