"""The process that stays outside: it watches the limits that no layer holds, and ends everything at the end."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Final, NoReturn

from aexl_runtime.sandbox import tree
from aexl_runtime.sandbox.cgroups import Group
from aexl_runtime.sandbox.orders import Cause, Ending, Order

LIMIT_STATUS: Final = 124
"""Exit status when a limit ended the program, as ``timeout`` has it."""
REFUSED_STATUS: Final = 125
"""Exit status when a layer failed and the program did not run."""

PERMITTED: Final = b"\n"
"""What the supervisor writes for the program to start; anything else is why it must not."""

_MEMORY_LOOK: Final = 0.1
_PARENT_LOOK: Final = 1.0
_SHORTEST: Final = 0.02


class Stopped(BaseException):
    """We were told to end."""


class Supervisor:
    """Watches one confined program.

    Args:
        child: The process to wait for, whose end is the program's.
        tidings: Pipe on which the child says ``entered``, ``failed`` or the program's status.
        permitting: Pipe on which the child waits for ``PERMITTED``.
        parent: Who started us; when it is gone, nobody waits for the program any more.
    """

    def __init__(self, order: Order, child: int, tidings: int, permitting: int, group: Group, parent: int) -> None:
        self._order = order
        self._child = child
        self._tidings = tidings
        self._permitting = permitting
        self._group = group
        self._parent = parent
        self._started = time.monotonic()
        self._said: dict[str, object] = {}
        self._status: int | None = None

    def run(self) -> Ending:
        """Wait for the program's end, or bring it about; then nothing of it is left."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _stop)
        try:
            self._permit()
            cause = self._watch()
        except Stopped:
            cause = "abandoned"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        used = tree.cpu_seconds(tree.descendants(os.getpid())) if cause else 0.0
        self._end(everything=self._order.end_all or cause is not None)
        return self._ending(cause, used)

    def _permit(self) -> None:
        """Put the child into its groups, and let it go on; or tell it why it must not."""
        try:
            self._group.take(self._child)
            said = PERMITTED
        except OSError as error:
            said = str(error).encode()
        with suppress(BrokenPipeError):  # it has failed, and said why
            os.write(self._permitting, said)
        os.close(self._permitting)

    def _watch(self) -> Cause | None:
        """Return the limit that was reached, or ``None`` when the program has ended by itself."""
        descriptor = os.pidfd_open(self._child)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        try:
            while True:
                wait, reached = self._look()
                if reached:
                    return reached
                if poll.poll(wait * 1000):
                    return None
        finally:
            os.close(descriptor)

    def _look(self) -> tuple[float, Cause | None]:
        """Return how long nothing needs to be looked at, and the limit that is reached now."""
        order = self._order
        wait = _PARENT_LOOK
        if os.getppid() != self._parent:
            return wait, "abandoned"
        if order.wall_seconds is not None:
            left = self._started + order.wall_seconds - time.monotonic()
            if left <= 0:
                return wait, "wall"
            wait = min(wait, left)
        if order.cpu_seconds is None and order.memory_bytes is None:
            return wait, None
        seen = tree.descendants(os.getpid())
        if order.memory_bytes is not None:
            if tree.exceed(seen, order.memory_bytes):
                return wait, "memory"
            wait = min(wait, _MEMORY_LOOK)
        if order.cpu_seconds is not None:
            left = order.cpu_seconds - tree.cpu_seconds(seen)
            if left <= 0:
                return wait, "cpu"
            wait = min(wait, max(_SHORTEST, left / (os.cpu_count() or 1)))
        return wait, None

    def _end(self, *, everything: bool) -> None:
        """Take the child's status, and end what there is. Where the child is the first process of a pid namespace, all die with it at once."""
        ended, status = os.waitpid(self._child, os.WNOHANG)
        if not ended and "pid" in self._order.namespaces:
            os.kill(self._child, signal.SIGKILL)
            ended, status = os.waitpid(self._child, 0)
        if ended:
            self._status = status
        if everything:
            tree.end_all()
        self._hear()

    def _hear(self) -> None:
        os.set_blocking(self._tidings, False)
        try:
            text = os.read(self._tidings, 65536)
        except BlockingIOError:
            text = b""
        for line in text.splitlines():
            try:
                self._said.update(json.loads(line))
            except (ValueError, TypeError):
                continue  # whoever inherited the pipe may write to it, and gains nothing

    def _ending(self, cause: Cause | None, used: float) -> Ending:
        wall = time.monotonic() - self._started
        status = self._said.get("status", self._status) if "pid" in self._order.namespaces else self._status
        if "entered" not in self._said and cause is None:
            detail = str(self._said.get("failed", "the process that enters it was ended"))
            return Ending(cause="refused", status=REFUSED_STATUS, detail=detail, wall_seconds=wall)
        if cause is None and self._group.killed_for_memory():
            cause = "memory"
        if cause is not None:
            return Ending(cause=cause, status=LIMIT_STATUS, wall_seconds=wall, cpu_seconds=used)
        code = os.waitstatus_to_exitcode(status) if isinstance(status, int) else LIMIT_STATUS
        used = tree.cpu_seconds([])
        if code == -signal.SIGXCPU:
            return Ending(cause="cpu", status=LIMIT_STATUS, wall_seconds=wall, cpu_seconds=used)
        kind: Cause = "signal" if code < 0 else "exit"
        return Ending(cause=kind, status=abs(code), wall_seconds=wall, cpu_seconds=used)


def tell(order: Order, ending: Ending) -> None:
    """Write how it ended to the order's descriptor, or say on standard error what nobody would understand."""
    if order.ending_fd is not None:
        record = {name: getattr(ending, name) for name in Ending._fields}
        os.write(order.ending_fd, json.dumps(record).encode() + b"\n")
    elif ending.cause == "refused":
        sys.stderr.write(f"aexl: the sandbox could not be entered, so nothing ran: {ending.detail}\n")
        sys.stderr.flush()


def leave(ending: Ending) -> NoReturn:
    """End this process as the program did: with its status, or by its signal."""
    if ending.cause == "signal":
        signal.signal(ending.status, signal.SIG_DFL) if ending.status not in _UNCATCHABLE else None
        os.kill(os.getpid(), ending.status)
        os._exit(128 + ending.status)
    os._exit(ending.status)


_UNCATCHABLE: Final = frozenset({signal.SIGKILL, signal.SIGSTOP})


def _stop(*_: object) -> None:
    raise Stopped
