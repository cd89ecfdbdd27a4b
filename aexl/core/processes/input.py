"""What a program reads, as far as it wants to."""

from __future__ import annotations

from typing import Final

import trio
from trio.abc import SendStream

from aexl.errors import Invalid

_BUFFER: Final = 8
"""Messages that wait for the program to read them."""


class Input:
    """Feeds one pipe: what the specification has first, then what is sent until the input is ended.

    Args:
        stream: ``None`` for a program that has an empty input, or ours.
        first: Bytes to begin with.
        converse: More may be sent.
    """

    def __init__(self, stream: SendStream | None, first: bytes | None, *, converse: bool) -> None:
        self._stream = stream
        self._first = first or b""
        self._send, self._receive = trio.open_memory_channel[bytes](_BUFFER)
        self._open = converse
        if not converse:
            self._send.close()

    async def run(self) -> None:
        """Write until there is nothing more to come; closes the pipe."""
        async with self._receive:
            if self._stream is None:
                return
            async with self._stream:
                try:
                    await self._stream.send_all(self._first)
                    async for data in self._receive:
                        await self._stream.send_all(data)
                except trio.BrokenResourceError:
                    return  # it closed its input: it has read enough

    async def send(self, data: bytes) -> None:
        """Hand more to ``run``."""
        if not self._open:
            raise Invalid("the program's standard input has ended, so nothing can be sent to it")
        try:
            await self._send.send(data)
        except trio.BrokenResourceError:
            return  # it reads no more

    def end(self) -> None:
        """Let ``run`` close the pipe behind what was sent."""
        self._open = False
        self._send.close()
