"""Everything a program started, however it tried to get away.

Three things lead to a descendant (Linux):

- *The parent's number.* The host makes itself a child subreaper, so that a process
  whose parents are gone becomes the host's child instead of init's.
- *The session.* Only descendants of a session's first process can be in it, and
  all of a process group are in one session.
- *A mark in the environment* that the program was started with, which survives a
  double fork and a new session.

A descendant that was seen once is remembered by number and start time. What gets
away is a process that empties its environment, starts a session of its own and
loses its parent, all between two looks; holding such a process is the sandbox's
job. Systems without ``/proc`` (macOS) have only the process group: see ``Group``.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final, Protocol

import trio

from aexl.core.processes.environment import MARK
from aexl.core.processes.table import Entry, carries, has_table, read_entry, read_table, send, send_to_group

_PR_SET_CHILD_SUBREAPER: Final = 36
_FIRST_LOOK: Final = 0.1
_LOOK_EVERY: Final = 1.0
_SHARE: Final = 20
"""A look takes at most one part in so many of a tree's time."""

KILL_LIMIT: Final = 5.0
"""Seconds after which a process that does not die of SIGKILL (it waits for a disk, say) is given up."""

_log = logging.getLogger(__name__)


class Descendants(Protocol):
    """The processes that one program started, and itself."""

    async def watch(self) -> None:
        """Keep looking until cancelled: remember who descends, and collect those who ended with us as their parent."""
        ...

    async def kill(self) -> None:
        """Send SIGKILL to all of them until none is left. Waits at most ``KILL_LIMIT``; shield it."""
        ...


def new_mark(within: str = "") -> str:
    """Return a value of ``AEXL_TREE`` for a tree that may stand inside others: this process's, and that of ``within``."""
    return ":".join(filter(None, (os.environ.get(MARK), within, uuid.uuid4().hex)))


def descendants(pid: int, mark: str, *, own_session: bool) -> Descendants:
    """Return the tree of a program that was just started with ``mark`` in its environment."""
    return Tree(pid, mark, own_session=own_session) if has_table() else Group(pid, own_session=own_session)


@functools.cache
def become_subreaper() -> bool:
    """Make orphans of our descendants our children; return whether the system can do that."""
    libc = ctypes.CDLL(None, use_errno=True)
    prctl: Callable[..., int] | None = getattr(libc, "prctl", None)
    return prctl is not None and prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


class Tree:
    """Descendants found in ``/proc``."""

    def __init__(self, pid: int, mark: str, *, own_session: bool) -> None:
        self._root = pid
        self._mark = mark.rpartition(":")[2].encode()
        self._host = os.getpid()
        self._host_session = os.getsid(0)
        self._groups = {pid: pid} if own_session else {}
        root = read_entry(pid)
        self._members = {pid: root.start} if root is not None else {}
        self._looking = threading.Lock()

    async def watch(self) -> None:
        pause = _FIRST_LOOK
        while True:
            await trio.sleep(pause)
            began = time.perf_counter()
            await trio.to_thread.run_sync(self.look)
            pause = max(min(2 * pause, _LOOK_EVERY), _SHARE * (time.perf_counter() - began))

    async def kill(self) -> None:
        with trio.move_on_after(KILL_LIMIT):
            pause = 0.001
            while await trio.to_thread.run_sync(self._strike):
                await trio.sleep(pause)
                pause = min(2 * pause, 0.05)
            return
        _log.error("processes that do not end after SIGKILL: %s", [entry.pid for entry in self.look()])

    def look(self) -> list[Entry]:
        """Find descendants, collect those that ended as our children, and return those that run."""
        with self._looking:
            table = read_table()
            self._forget(table)
            self._find(table)
            found = [table[pid] for pid in self._members]
            for entry in found:
                if entry.ended and entry.parent == self._host and entry.pid != self._root:
                    _collect(entry.pid)
            return [entry for entry in found if not entry.ended]

    def _strike(self) -> bool:
        known = set(self._members)
        struck = [send(entry, signal.SIGKILL) for entry in self.look()]
        # A process that forks and ends all the time is in no table, but always in its group.
        struck += [send_to_group(group, signal.SIGKILL) for group in list(self._groups)]
        return any(struck) or not known.issuperset(self._members)

    def _forget(self, table: dict[int, Entry]) -> None:
        same = ((pid, start) for pid, start in self._members.items() if pid in table and table[pid].start == start)
        self._members = dict(same)
        seen = {entry.group for entry in table.values()}
        for group in [group for group in self._groups if group not in seen]:
            if not send_to_group(group, 0):
                del self._groups[group]

    def _may_be_marked(self, entry: Entry) -> bool:
        """Say whether a process that is no descendant by number or session is worth a look at its environment."""
        return entry.parent == self._host or not become_subreaper()

    def _find(self, table: dict[int, Entry]) -> None:
        for entry in table.values():
            if entry.pid not in self._members and self._may_be_marked(entry) and carries(entry.pid, self._mark):
                self._add(entry)
        grew = True
        while grew:
            grew = False
            sessions = set(self._groups.values())
            for entry in table.values():
                if entry.pid in self._members:
                    continue
                if entry.parent in self._members or entry.session in sessions:
                    self._add(entry)
                    grew = True

    def _add(self, entry: Entry) -> None:
        self._members[entry.pid] = entry.start
        if entry.session != self._host_session:
            self._groups[entry.group] = entry.session


class Group:
    """The fallback without ``/proc``: the program's process group, if it has one of its own.

    A descendant that leaves the group is not found.
    """

    def __init__(self, pid: int, *, own_session: bool) -> None:
        self._pid = pid
        self._own = own_session

    async def watch(self) -> None:
        await trio.sleep_forever()

    async def kill(self) -> None:
        with trio.move_on_after(KILL_LIMIT):
            while self._strike():
                await trio.sleep(0.01)

    def _strike(self) -> bool:
        if self._own:
            return send_to_group(self._pid, signal.SIGKILL)
        try:
            os.kill(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def _collect(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # another tree of this process was quicker
