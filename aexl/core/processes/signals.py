r"""A program in the foreground of our terminal, and the signals that reach us in its place.

The program stays in our process group, as under ``env`` or ``time``: the terminal
sends ``^C``, ``^\`` and ``^Z`` to both of us, so job control works as without us,
also in a pipeline. ``^C`` is for the program to answer, and we wait for it.
A signal that was sent to us alone is passed on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Final

import trio

from aexl.api import Process, ProcessSpec
from aexl.core.processes.running import spawn

_FROM_TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGQUIT})
_TO_END: Final = frozenset({signal.SIGTERM, signal.SIGHUP})
_PASSED_ON: Final = (*_FROM_TERMINAL, *_TO_END, signal.SIGUSR1, signal.SIGUSR2)


async def run_in_terminal(spec: ProcessSpec, *, grace: float, held: Sequence[int] = ()) -> int:
    """Run a program on our standard streams; return its exit code, or minus the signal that ended it.

    SIGTERM and SIGHUP are passed on and begin the end: after ``grace`` seconds, or
    at the second one, the whole tree is killed. Must run in the main thread.

    Args:
        held: Signals to end that have come before; if there is one, the program is not started.
    """
    with trio.open_signal_receiver(*_PASSED_ON) as signals:
        if held:
            return -held[0]
        async with spawn(spec) as process, trio.open_nursery() as nursery:
            nursery.start_soon(_pass_on, signals, process, grace, nursery.cancel_scope)
            await process.wait()
            nursery.cancel_scope.cancel()
        return await process.wait()


async def _pass_on(signals: AsyncIterator[int], process: Process, grace: float, waiting: trio.CancelScope) -> None:
    ending = False
    async for number in signals:
        if number in _FROM_TERMINAL and _in_foreground():
            continue  # the terminal has sent it to the program as well
        if number in _TO_END:
            if ending:
                waiting.cancel()
            ending = True
            waiting.deadline = min(waiting.deadline, trio.current_time() + grace)
        process.signal(number)


def _in_foreground() -> bool:
    """Return whether our process group has the terminal, if there is one."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
