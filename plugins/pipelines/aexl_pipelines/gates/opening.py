"""The gates of one command: who answers them, by what the command was told and where it runs."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from aexl_pipelines.journal.records import RunOptions

if TYPE_CHECKING:
    from aexl_pipelines.gates.queue import FileGates
    from aexl_pipelines.gates.terminal import Terminal


@contextmanager
def command_gates(
    runs: Path,
    options: RunOptions,
    *,
    quiet: Callable[[], AbstractContextManager[object]] = nullcontext,
    device: Path | None = None,
) -> Iterator[FileGates]:
    """Lend the port ``Gates`` to a command that runs a pipeline.

    With ``on_gate`` the option answers. Else the process's terminal is asked, if it has one and is not
    headless; whoever uses ``aexl pipeline approve`` or HTTP meanwhile may be quicker. Where nobody can be asked,
    a gate is rejected; one with a timeout waits that long for an answer from elsewhere.

    Args:
        runs: The folder that has a folder for each run.
        quiet: A context in which nothing else writes to the terminal.
        device: The terminal, by default the one that controls this process.
    """
    from aexl_pipelines.gates.queue import FileGates

    terminal = _terminal(options, quiet, device)
    try:
        yield FileGates(runs, on_gate=options.on_gate, answerer=terminal)
    finally:
        if terminal is not None:
            terminal.close()


def person() -> str:
    """Return the name of who uses this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in many containers
        return "somebody"


def _terminal(
    options: RunOptions, quiet: Callable[[], AbstractContextManager[object]], device: Path | None
) -> Terminal | None:
    from aexl_pipelines.gates.terminal import DEVICE, Terminal

    if options.headless or options.on_gate is not None or not sys.stderr.isatty():
        return None
    try:
        return Terminal(device or DEVICE, by=f"terminal:{person()}", quiet=quiet)
    except OSError:  # no terminal controls this process
        return None
