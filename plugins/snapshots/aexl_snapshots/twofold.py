"""Many small pieces of work, half of them in a second process.

Threads do not help there: each piece holds the interpreter for most of its time, and
taking turns at it costs more than the piece. A process that has just been forked has
everything that the work needs in its memory already, and sends back the answer.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

import msgspec

from aexl.errors import AexlError, Unavailable

T = TypeVar("T")
R = TypeVar("R")

_BLOCK: Final = 1024 * 1024
_DONE: Final = b"+"
_FAILED: Final = b"-"


def may_fork() -> bool:
    """Say whether a second process can be forked, and would have a processor to run on.

    A fork copies the calling thread alone, so there must be no other: a command's work without a loop has none.
    """
    return (
        sys.platform == "linux"
        and threading.current_thread() is threading.main_thread()
        and threading.active_count() == 1
        and len(os.sched_getaffinity(0)) > 1
    )


def in_two(
    items: Sequence[T], here: Callable[[Sequence[T]], R], aside: Callable[[Sequence[T]], R], answer: type[R]
) -> list[R]:
    """Do the first half of some work here and the second in another process; return both answers in order.

    Where no process can be forked, everything is done here, and there is one answer.

    Args:
        aside: Does what ``here`` does; what it changes in memory is lost.
        answer: What they return, as msgspec can send it.

    Raises:
        AexlError: What ``here`` raises. What ``aside`` raises comes as ``Unavailable``.
    """
    if len(items) < 2 or not may_fork():
        return [here(items)]
    middle = len(items) // 2
    try:
        other = _Aside(lambda: aside(items[middle:]), answer)
    except OSError:  # there may be no more processes
        return [here(items)]
    with other:
        return [here(items[:middle]), other.wait()]


class _Aside(Generic[R]):
    """A forked process that does one thing; it is killed if nobody waits for its answer."""

    def __init__(self, work: Callable[[], R], answer: type[R]) -> None:
        self._answer = answer
        self._reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _answer(work, writing)
        except OSError:
            os.close(self._reading)
            raise
        finally:
            os.close(writing)

    def __enter__(self) -> Self:
        return self

    def wait(self) -> R:
        """Return the answer."""
        blocks = []
        while block := os.read(self._reading, _BLOCK):
            blocks.append(block)
        data = b"".join(blocks)
        if data[:1] == _DONE:
            return msgspec.msgpack.decode(memoryview(data)[1:], type=self._answer)
        reason = data[1:].decode() or "the process that did half of the work was ended; try again"
        raise Unavailable(reason)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._reading)
        if error is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _answer(work: Callable[[], object], writing: int) -> None:
    """Work, answer and end: nothing of what the first process has open may be flushed or closed here."""
    status = 1
    try:
        try:
            data = _DONE + msgspec.msgpack.encode(work())
        except AexlError as error:
            data = _FAILED + str(error).encode()
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(writing, rest) :]
        status = 0
    finally:
        os._exit(status)
