"""A worker that is forked off this process, confined before it reads its first order."""

from __future__ import annotations

import os
import select
import signal
from typing import Final, Self

from aexl_runtime.sandbox.ports import Order

GRACE: Final = 2.0
"""Seconds in which whatever watches a sandbox ends what is in it, before it is killed itself."""


class Worker:
    """A forked worker: its process, and the pipes to it.

    Attributes:
        pid: Of whoever watches the sandbox; it ends as the worker did.
        orders: To write to.
        answers: To read from.
        output: What is written to descriptors 1 and 2.
    """

    def __init__(self, pid: int, orders: int, answers: int, output: int, ending: int) -> None:
        self.pid = pid
        self._ending = ending
        self.orders = orders
        self.answers = answers
        self.output = output
        self._end = os.pidfd_open(pid)
        self._status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the worker and everything it started; returns when it has ended."""
        if self._is_over(0.0):
            return
        for number, grace in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 60.0)):
            os.kill(self.pid, number)
            if self._is_over(grace):
                return

    def wait(self, seconds: float) -> bool:
        """Wait for the worker to end by itself; return whether it has."""
        return self._is_over(seconds)

    @property
    def status(self) -> int | None:
        """Exit status, or minus the signal's number; ``None`` while it runs."""
        return None if self._status is None else os.waitstatus_to_exitcode(self._status)

    def ending(self) -> bytes:
        """Return what the sandbox wrote of the end, once it has ended."""
        os.set_blocking(self._ending, False)
        try:
            return os.read(self._ending, 64 * 1024)
        except BlockingIOError:
            return b""

    def _is_over(self, seconds: float) -> bool:
        if self._status is None and select.select([self._end], [], [], seconds)[0]:
            self._status = os.waitpid(self.pid, 0)[1]
        return self._status is not None


def fork_worker(order: Order) -> Worker:
    """Fork a worker that confines itself, and waits for its order. Only for a process without threads."""
    orders, answers, output, ending = os.pipe(), os.pipe(), os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _become_worker(order._replace(ending_fd=ending[1]), orders[0], answers[1], output[1])
        finally:
            os._exit(70)
    for descriptor in (orders[0], answers[1], output[1], ending[1]):
        os.close(descriptor)
    return Worker(pid, orders[1], answers[0], output[0], ending[0])


def _become_worker(order: Order, reading: int, writing: int, output: int) -> None:
    from aexl_runtime.inside.main import main, prepare
    from aexl_runtime.sandbox.entering import enter

    for target, descriptor in enumerate((reading, writing, output)):
        os.dup2(descriptor, target)
    enter(order, meanwhile=prepare)
    main()
