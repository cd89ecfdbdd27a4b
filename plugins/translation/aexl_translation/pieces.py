"""The pieces of a translated body: an error, a count, a whole answer, a stream."""

from __future__ import annotations

from typing import Final

import msgspec
import trio

from aexl.api import Reply
from aexl.api.sse import Framer
from aexl.errors import Invalid, ProviderFailed
from aexl_translation.answer import Failure
from aexl_translation.asked import Asked
from aexl_translation.codecs import CODECS
from aexl_translation.counting import read_count, write_count
from aexl_translation.custom import Restorer, restore_answer
from aexl_translation.dialects import Dialect
from aexl_translation.parts import MAX_PARTS, Broken
from aexl_translation.whole import events_of

MAX_ERROR: Final = 1 << 20
"""Bytes of an error's body; a longer one is cut, and then has no message of its own."""


class Pieces(trio.abc.ReceiveChannel[bytes]):
    """The body for the caller, made of the provider's."""

    def __init__(self, inner: Reply, provider: str) -> None:
        self._receive = inner.chunks.receive
        self._inner = inner
        self._provider = provider
        self._done = False

    async def aclose(self) -> None:
        """Stop reading."""
        self._done = True
        await self._inner.chunks.aclose()

    async def _all(self, most: int) -> bytes:
        """Return the provider's whole body, of which no more than ``most`` bytes are kept."""
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                piece = await self._receive()
            except trio.EndOfChannel:
                return b"".join(parts)
            if size <= most:
                parts.append(piece)
            size += len(piece)

    def _broken(self, error: Exception) -> ProviderFailed:
        return ProviderFailed(
            f"the provider {self._provider!r}: {error}", code="upstream_protocol", status=502, charged="unknown"
        )


class Once(trio.abc.ReceiveChannel[bytes]):
    """A body that is known."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def receive(self) -> bytes:
        """Return the body, once."""
        await trio.lowlevel.checkpoint()
        if self._body is None:
            raise trio.EndOfChannel
        body, self._body = self._body, None
        return body

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""
        await trio.lowlevel.checkpoint()


class ErrorPieces(Pieces):
    """An error in the caller's dialect."""

    def __init__(self, inner: Reply, provider: str, origin: Dialect, into: Dialect, status: int) -> None:
        super().__init__(inner, provider)
        self._origin: Dialect = origin
        self._into: Dialect = into
        self._status = status

    async def receive(self) -> bytes:
        """Return the error, once; see ``Reply.chunks``."""
        if self._done:
            raise trio.EndOfChannel
        body = await self._all(MAX_ERROR)
        self._done = True
        failure = CODECS[self._into].read_error(body)
        if failure is None:
            failure = Failure(f"the provider {self._provider!r} answered with status {self._inner.status}")
        return msgspec.json.encode(CODECS[self._origin].write_error(failure, self._status))


class CountPieces(Pieces):
    """A count of tokens, in the caller's words."""

    def __init__(self, inner: Reply, provider: str, origin: Dialect) -> None:
        super().__init__(inner, provider)
        self._origin: Dialect = origin

    async def receive(self) -> bytes:
        """Return the count, once; see ``Reply.chunks``."""
        if self._done:
            raise trio.EndOfChannel
        body = await self._all(MAX_ERROR)
        self._done = True
        try:
            return write_count(self._origin, read_count(body))
        except Broken as error:
            raise self._broken(error) from error


class WholePieces(Pieces):
    """A whole answer, which must be complete to be translated; as a stream if the caller asked for one."""

    def __init__(
        self, inner: Reply, provider: str, origin: Dialect, into: Dialect, asked: Asked, *, streams: bool
    ) -> None:
        super().__init__(inner, provider)
        self._origin: Dialect = origin
        self._into: Dialect = into
        self._asked = asked
        self._streams = streams

    async def receive(self) -> bytes:
        """Return the answer, once; see ``Reply.chunks``."""
        if self._done:
            raise trio.EndOfChannel
        body = await self._all(MAX_PARTS)
        self._done = True
        origin, asked = CODECS[self._origin], self._asked
        try:
            answer = CODECS[self._into].read_answer(body)
        except Broken as error:
            raise self._broken(error) from error
        if asked.names.differ:
            restore_answer(answer, asked.names)
        if self._streams:
            return origin.writer(asked).write(events_of(answer))
        return origin.write_answer(answer, asked)


class StreamPieces(Pieces):
    """A stream, event by event as it arrives."""

    def __init__(self, inner: Reply, provider: str, origin: Dialect, into: Dialect, asked: Asked) -> None:
        super().__init__(inner, provider)
        self._framer = Framer(MAX_PARTS)
        self._reader = CODECS[into].reader()
        self._write = CODECS[origin].writer(asked).write
        self._restorer = Restorer(asked.names) if asked.names.differ else None

    async def receive(self) -> bytes:
        """Return the next events; see ``Reply.chunks``."""
        while not self._done:
            try:
                piece = await self._receive()
            except trio.EndOfChannel:
                self._done = True
                written = self._end()
            else:
                try:
                    written = self._translate(piece)
                except (Broken, Invalid) as error:
                    self._done = True
                    raise self._broken(error) from error
            if written:
                return written
        raise trio.EndOfChannel

    def _translate(self, piece: bytes) -> bytes:
        read, restorer = self._reader.read, self._restorer
        events = []
        for frame in self._framer.feed(piece):
            data = frame.data
            if data is not None:
                events += read(data)
        if restorer is not None:
            events = restorer.restore(events)
        return self._write(events) if events else b""

    def _end(self) -> bytes:
        """Return what the end means; an event that was cut off in the middle is not passed on."""
        events = []
        for frame in self._framer.close():
            if frame.data is not None:
                events += self._reader.read(frame.data)
        return self._write([*events, *self._reader.close()])
