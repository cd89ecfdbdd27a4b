"""Holding the plugins' contexts open while the host runs, each in a task of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from aexl.errors import AexlError, PluginError


class _Held:
    """One plugin's context, entered and left by one task."""

    def __init__(self, plugin: str, lifespan: AbstractAsyncContextManager[None]) -> None:
        self.plugin = plugin
        self.lifespan = lifespan
        self.stop = trio.Event()
        self.stopped = trio.Event()

    async def hold(self, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            async with self.lifespan:
                task_status.started()
                await self.stop.wait()
        except AexlError:
            raise
        except Exception as error:
            raise PluginError(self.plugin, "aexl_lifespan", f"{type(error).__name__}: {error}") from error
        finally:
            self.stopped.set()


@asynccontextmanager
async def lifespans(
    entries: Sequence[tuple[str, AbstractAsyncContextManager[None]]], *, grace: float
) -> AsyncIterator[None]:
    """Enter contexts one after the other, and leave them in reverse.

    An error that leaves a context ends the block and names the plugin; an
    ``AexlError`` (a lock that is held, say) comes out as it is.

    Args:
        entries: Plugin names and their contexts, in the order to enter them.
        grace: Seconds that leaving all of them may take; then they are cancelled.
    """
    running: list[_Held] = []
    async with trio.open_nursery() as nursery:
        try:
            for plugin, lifespan in entries:
                held = _Held(plugin, lifespan)
                await nursery.start(held.hold)
                running.append(held)
            yield
        finally:
            with trio.move_on_after(grace, shield=True):
                for held in reversed(running):
                    held.stop.set()
                    await held.stopped.wait()
            nursery.cancel_scope.cancel()
