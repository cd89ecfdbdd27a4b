"""The processes that a process has started, and theirs: finding, measuring and ending them."""

from __future__ import annotations

import os
import resource
import signal
import time
from typing import Final, NamedTuple

_TICK: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_END_SECONDS: Final = 10.0


class Seen(NamedTuple):
    """One process, as ``/proc`` shows it. CPU time includes that of children it has waited for."""

    pid: int
    parent: int
    cpu_seconds: float
    memory_bytes: int


def descendants(pid: int) -> list[Seen]:
    """Return all processes under ``pid``, parents before their children."""
    if not os.path.exists(f"/proc/{pid}/task/{pid}/children"):  # it is asked ten times a second
        return _found_among_all(pid)
    found: list[Seen] = []
    parents = [pid]
    for parent in parents:
        children = [seen for child in _children(parent) if (seen := _look(child))]
        found += children
        parents += [child.pid for child in children]
    return found


def _children(pid: int) -> list[str]:
    """Return the children of each of the process's threads."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return [child for t in threads for child in _read(f"/proc/{pid}/task/{t}/children").decode().split()]
    except OSError:
        return []  # it has ended meanwhile; its children have another parent, and are found there the next time


def _found_among_all(pid: int) -> list[Seen]:
    """Return the same where the kernel keeps no lists of children."""
    numbers = (name for name in os.listdir("/proc") if name.isdigit())
    everyone = [seen for number in numbers if (seen := _look(number))]
    children: dict[int, list[Seen]] = {}
    for seen in everyone:
        children.setdefault(seen.parent, []).append(seen)
    found = list(children.get(pid, ()))
    for seen in found:
        found += children.get(seen.pid, ())
    return found


def cpu_seconds(seen: list[Seen]) -> float:
    """Return the CPU time of all these and of the children that this process has waited for."""
    done = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.ru_utime + done.ru_stime + sum(process.cpu_seconds for process in seen)


def exceed(seen: list[Seen], memory_bytes: int) -> bool:
    """Return whether all these use more memory together; what they share counts once.

    What they share is looked for, which takes a millisecond for each, only where simple sums are over the limit.
    """
    if sum(process.memory_bytes for process in seen) <= memory_bytes:
        return False
    return sum(_share(process) for process in seen) > memory_bytes


def _share(seen: Seen) -> int:
    try:
        text = _read(f"/proc/{seen.pid}/smaps_rollup")
    except OSError:
        return seen.memory_bytes  # not ours to look into
    found = text.partition(b"\nPss:")[2].split(maxsplit=1)
    return int(found[0]) * 1024 if found else 0


def end_all() -> None:
    """End everything under this process, which must be a subreaper, and wait for it.

    Each round stops all processes before it kills any, so that those which are not seen yet are fewer each
    time, however fast they fork. Gives up after ten seconds, which only a process that the kernel holds takes.
    """
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        found = descendants(os.getpid())
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in found:
                _signal(process.pid, number)
        if not _reap():
            return
        time.sleep(0.001)


def _reap() -> bool:
    """Wait for all children that have ended; return whether there are others."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return True
        except ChildProcessError:
            return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _look(pid: str) -> Seen | None:
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return None  # it has ended meanwhile, or is not ours to see
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold anything
    ticks = sum(int(field) for field in fields[11:15])
    return Seen(int(pid), int(fields[1]), ticks / _TICK, int(fields[21]) * _PAGE)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)
