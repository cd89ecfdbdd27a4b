"""Synchronous contexts in a loop."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

import trio


class InThread:
    """A synchronous context manager, entered and left in worker threads."""

    def __init__(self, context: AbstractContextManager[object]) -> None:
        self._context = context

    async def __aenter__(self) -> None:
        await trio.to_thread.run_sync(self._context.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):  # leaving waits for nothing but the disk
            await trio.to_thread.run_sync(self._context.__exit__, kind, error, trace)
