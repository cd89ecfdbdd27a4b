"""A program's output as a channel of lines."""

from __future__ import annotations

import fcntl
import struct
import termios
from typing import Final

import trio

from aexl.core.processes.lines import LineSplitter

_BUFFER: Final = 8
"""Lines that wait for a reader; a program whose lines nobody reads is stopped by its full pipe."""

_CHUNK: Final = 64 * 1024


class Output:
    """Reads one pipe until the program that was started has ended.

    What descendants write after that is not waited for: a daemon that inherited
    the pipe would keep a reader for ever. What is in the pipe at that moment is
    read to its last byte.

    Args:
        stream: The pipe.
        limit: Bytes; a longer line comes in pieces.
    """

    def __init__(self, stream: trio.lowlevel.FdStream, limit: int) -> None:
        self._stream = stream
        self._splitter = LineSplitter(limit)
        self._send, self.lines = trio.open_memory_channel[bytes](_BUFFER)
        self._reading: trio.CancelScope | None = None
        self._sending: trio.CancelScope | None = None
        self._ended = False
        self._discarding = False

    async def run(self) -> None:
        """Move lines from the pipe into the channel; closes both."""
        async with self._stream, self._send:
            if await self._read_while_running():
                await self._read_rest()
            await self._deliver(self._splitter.finish())

    def program_ended(self) -> None:
        """Say that nothing more than what is in the pipe will be read."""
        self._ended = True
        if self._reading is not None:
            self._reading.cancel()

    def discard(self) -> None:
        """Drop what is still to come, so that nobody's reading holds up the program's end."""
        self._discarding = True
        if self._sending is not None:
            self._sending.cancel()

    async def _read_while_running(self) -> bool:
        while not self._ended:
            with trio.CancelScope() as self._reading:
                data = await self._stream.receive_some(_CHUNK)
            if self._reading.cancelled_caught:
                break
            if not data:
                return False
            await self._deliver(self._splitter.feed(data))
        return True

    async def _read_rest(self) -> None:
        left = _unread(self._stream.fileno())
        while left > 0:
            data = await self._stream.receive_some(min(left, _CHUNK))
            if not data:
                return
            left -= len(data)
            await self._deliver(self._splitter.feed(data))

    async def _deliver(self, lines: list[bytes]) -> None:
        for line in lines:
            if self._discarding:
                return
            try:
                with trio.CancelScope() as self._sending:
                    await self._send.send(line)
            except trio.BrokenResourceError:
                self._discarding = True  # the reader closed its end: it has heard enough


def no_output() -> trio.MemoryReceiveChannel[bytes]:
    """Return a channel that has ended."""
    send, receive = trio.open_memory_channel[bytes](0)
    send.close()
    return receive


def _unread(descriptor: int) -> int:
    answer = fcntl.ioctl(descriptor, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
