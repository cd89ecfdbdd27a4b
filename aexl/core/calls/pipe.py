"""The bounded way from the task that runs a call to the one that sends its answer."""

from __future__ import annotations

from typing import Final

import trio

CAPACITY: Final = 256 * 1024
"""Bytes that may wait for a slow client; then the upstream is not read further."""


class Pipe(trio.abc.ReceiveChannel[bytes]):
    """One writer, one reader, bytes in order.

    What has gathered while the reader was busy comes out as one piece. Reading
    does not checkpoint while something is there.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None
        self._abandoned = False
        self._reader: trio.lowlevel.Task | None = None
        self._writer: trio.lowlevel.Task | None = None

    async def send(self, data: bytes) -> None:
        """Add a piece; wait while the reader is ``CAPACITY`` behind. Without a reader, does nothing."""
        if self._abandoned:
            return
        self._pieces.append(data)
        self._size += len(data)
        self._wake_reader()
        if self._size >= CAPACITY:
            self._writer = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._forget_writer)

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes; the reader gets what is left, then ``error`` if there is one."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._wake_reader()

    def abandon(self) -> None:
        """Stop reading: what waits is dropped, and the writer goes on unhindered."""
        self._abandoned = True
        self._pieces.clear()
        self._size = 0
        self._wake_writer()

    async def receive(self) -> bytes:
        """Return what has arrived.

        Raises:
            trio.EndOfChannel: After the last piece.
        """
        while not self._pieces:
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise trio.EndOfChannel
            self._reader = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._forget_reader)
        pieces, self._pieces = self._pieces, []
        self._size = 0
        self._wake_writer()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        """Stop reading."""
        self.abandon()
        await trio.lowlevel.checkpoint()

    def _wake_reader(self) -> None:
        if self._reader is not None:
            task, self._reader = self._reader, None
            trio.lowlevel.reschedule(task)

    def _wake_writer(self) -> None:
        if self._writer is not None:
            task, self._writer = self._writer, None
            trio.lowlevel.reschedule(task)

    def _forget_reader(self, _: object) -> trio.lowlevel.Abort:
        self._reader = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _forget_writer(self, _: object) -> trio.lowlevel.Abort:
        self._writer = None
        return trio.lowlevel.Abort.SUCCEEDED


class Whole(trio.abc.ReceiveChannel[bytes]):
    """A body that is all there: its pieces, then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces[::-1]

    async def receive(self) -> bytes:
        """Return the next piece without waiting.

        Raises:
            trio.EndOfChannel: After the last piece.
        """
        if not self._pieces:
            raise trio.EndOfChannel
        return self._pieces.pop()

    async def __anext__(self) -> bytes:
        """Return the next piece; costs an exception and a coroutine less than asking ``receive``."""
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()

    async def aclose(self) -> None:
        """Drop what is left."""
        self._pieces.clear()
        await trio.lowlevel.checkpoint()
