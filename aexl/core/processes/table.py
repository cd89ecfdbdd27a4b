"""The system's table of processes, read from ``/proc``, and signals that cannot hit a stranger.

A process is its number and its start time together, because numbers are used
again. Everything here blocks for microseconds a process and is called in threads,
except ``read_entry`` and ``is_alive``.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final, NamedTuple

from aexl.core.processes.environment import MARK

PROC: Final = Path("/proc")

_MARKED: Final = f"{MARK}=".encode()


class Entry(NamedTuple):
    """One process. ``start`` is in clock ticks since the machine started."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start: int

    @property
    def ended(self) -> bool:
        """The process has ended; at most its exit status is still to be collected."""
        return self.state in "ZXx"


def has_table() -> bool:
    """Return whether this system has Linux's ``/proc``."""
    return (PROC / "self/stat").exists()


def read_entry(pid: int) -> Entry | None:
    """Return a process, or ``None`` if there is none of that number."""
    try:
        data = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The program's name, in parentheses, may have blanks and parentheses of its own.
    fields = data[data.rindex(b")") + 2 :].split()
    return Entry(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def read_table() -> dict[int, Entry]:
    """Return all processes by number."""
    entries = (read_entry(int(name)) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208 - twice as quick
    return {entry.pid: entry for entry in entries if entry is not None}


def carries(pid: int, mark: bytes) -> bool:
    """Return whether a process was started inside the tree that ``mark`` names."""
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False  # it has ended, or belongs to another user, whom we may not signal either
    return any(each.startswith(_MARKED) and mark in each for each in variables)


def send(entry: Entry, number: int) -> bool:
    """Send a signal to exactly this process; return whether it was there and ours to signal."""
    try:
        handle = os.pidfd_open(entry.pid)
    except ProcessLookupError:
        return False
    except OSError:
        return _send_by_number(entry, number)  # a kernel before 5.3, or no descriptors left
    try:
        # The handle is fixed to one process by now: if the start time is right, no other can be meant.
        if not _is_same(entry):
            return False
        signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def send_to_group(group: int, number: int) -> bool:
    """Send a signal to all of a process group at once; return whether anyone was there, also one that has ended.

    The kernel does this in one step: a process that forks meanwhile cannot slip through.
    """
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # all of them belong to another user (or, on macOS, have ended)
    return True


def _send_by_number(entry: Entry, number: int) -> bool:
    if not _is_same(entry):
        return False
    try:
        os.kill(entry.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_same(entry: Entry) -> bool:
    now = read_entry(entry.pid)
    return now is not None and now.start == entry.start


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not yet collected by its parent does not."""
    if has_table():
        entry = read_entry(pid)
        return entry is not None and not entry.ended
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
