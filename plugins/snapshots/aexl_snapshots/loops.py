"""The work on stores, with a loop and without one.

With a loop, what blocks is done in threads, and several things at a time. A command
that has a little to do in folders of this machine is done sooner than a loop is
imported: without one, the same coroutines do everything in place, one after the other.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import trio

T = TypeVar("T")
Item = TypeVar("Item")


def has_loop() -> bool:
    """Say whether the caller runs in a loop."""
    loops = sys.modules.get("trio")
    return loops is not None and bool(loops.lowlevel.in_trio_run())


def run_without_loop(work: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run what waits for nothing but functions of this module, and return what it returns.

    Raises:
        RuntimeError: If it waits for anything else.
    """
    coroutine = work()
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("this work waits for something, and needs a loop")


async def in_thread(
    work: Callable[..., T], *arguments: object, limiter: trio.CapacityLimiter | None = None, abandon: bool = False
) -> T:
    """Run in a worker thread; without a loop, here.

    Args:
        abandon: If cancelled, do not wait for the thread: what it does changes nothing.
    """
    if not has_loop():
        return work(*arguments)
    import trio

    return await trio.to_thread.run_sync(work, *arguments, limiter=limiter, abandon_on_cancel=abandon)


async def pause(seconds: float) -> None:
    """Let some time pass."""
    if has_loop():
        import trio

        await trio.sleep(seconds)
    else:
        import time

        time.sleep(seconds)


def shielded(seconds: float = float("inf")) -> AbstractContextManager[object]:
    """Return a context that cannot be cancelled from outside, and ends by itself after some time."""
    if not has_loop():
        return nullcontext()
    import trio

    return trio.move_on_after(seconds, shield=True)


async def each_parallel(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], parallel: int) -> None:
    """Do something with every item, ``parallel`` at a time; the first error ends all of it and is raised itself."""
    if not has_loop():
        for item in items:
            await work(item)
        return
    import trio

    failed: list[Exception] = []
    waiting = iter(items)

    async def run(scope: trio.CancelScope) -> None:
        for item in waiting:
            try:
                await work(item)
            except Exception as error:
                failed.append(error)
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        for _ in range(parallel):
            nursery.start_soon(run, nursery.cancel_scope)
    if failed:
        raise failed[0]


class InThread:
    """A synchronous context manager, entered and left in worker threads."""

    def __init__(self, context: AbstractContextManager[object]) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        await in_thread(self._context.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with shielded():  # leaving waits for nothing but the disk
            await in_thread(self._context.__exit__, kind, error, trace)
