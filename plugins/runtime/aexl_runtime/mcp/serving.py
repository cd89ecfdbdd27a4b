"""The protocol over standard input and output."""

from __future__ import annotations

import os
from typing import Final

import trio

from aexl.api.mcp import McpSession

MAX_LINE: Final = 8 * 1024 * 1024
"""Bytes of one message."""

_AT_ONCE: Final = 16
"""Messages that are answered at a time; further ones wait in the pipe."""


async def serve_stdio(session: McpSession, reading: int, writing: int) -> None:
    """Answer until the input ends; then running calls are ended.

    Args:
        reading: A descriptor, which is closed at the end; so is ``writing``.
    """
    lock, places = trio.Lock(), trio.CapacityLimiter(_AT_ONCE)
    async with trio.lowlevel.FdStream(reading) as source, trio.lowlevel.FdStream(writing) as target:

        async def answer(line: bytes, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            async with places:
                task_status.started()
                said = await session.answer(line)
                if said is not None:
                    async with lock:
                        await target.send_all(said)

        try:
            async with trio.open_nursery() as nursery:
                held = bytearray()
                async for data in source:
                    held += data
                    while (end := held.find(b"\n")) >= 0:
                        line = bytes(held[:end])
                        del held[: end + 1]
                        if line.strip():
                            await nursery.start(answer, line)
                    if len(held) > MAX_LINE:
                        break
                nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            pass  # the client is gone


def own_streams() -> tuple[int, int]:
    """Take standard input and output for the protocol; what else is printed goes to standard error."""
    reading, writing = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    return reading, writing
