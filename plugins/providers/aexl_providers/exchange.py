"""One call to a provider's server, while it runs: the context, the reply, the pieces of its body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Final

import httpx
import trio

from aexl.api import Arriving, Call, Direct, Headers, Target, Usage
from aexl.errors import Invalid, ProviderFailed
from aexl_providers.answers import BodyReader, stream_reader
from aexl_providers.failures import provider_failure
from aexl_providers.media import MEDIA, MediaEvents, MediaReader
from aexl_providers.requests import Outgoing
from aexl_providers.streams import StreamReader

MAX_READ: Final = 32 << 20
"""Bytes of a JSON answer; one that is longer passes, but its usage is not read."""

CLOSING_SECONDS: Final = 2.0

_NO_TOOLS: Final[Mapping[str, int]] = {}
_ONE_SEARCH: Final[Mapping[str, int]] = {"web_search": 1}

_DROPPED: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",  # the server counts what it sends
        b"set-cookie",  # the provider's cookies are not for the local origin
        b"alt-svc",  # the provider's other addresses are a way around us
    }
)


def end_to_end(headers: Headers) -> Headers:
    """Return the headers that are for the caller; names are in lower case."""
    return [header for header in headers if header[0] not in _DROPPED]


class Through:
    """A transport of httpx's kind, such as a stranger's, as a direct one."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def exchange(self, method: str, url: httpx.URL, headers: Headers, body: bytes) -> Arriving:
        """See ``aexl.api.Direct``."""
        request = httpx.Request(method, url, headers=headers, content=body)
        response = await self._transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream), "it was asked for in a loop"
        return Arriving(
            response.status_code, [(name.lower(), value) for name, value in response.headers.raw], response.stream
        )


class Exchange:
    """The context that ``Provider.open`` returns.

    Args:
        provider: The provider's name, for messages.
        transport: Where to send.
        request: What to send, or why that cannot be.
        call: What was asked.
        target: Where it goes.
        injected: The usage was asked for in the caller's stead.
    """

    __slots__ = ("_call", "_injected", "_provider", "_reply", "_request", "_stream", "_target", "_transport")

    def __init__(
        self,
        provider: str,
        transport: Direct,
        request: Outgoing | ProviderFailed,
        call: Call,
        target: Target,
        injected: bool,
    ) -> None:
        self._provider = provider
        self._target = target
        self._transport = transport
        self._request = request
        self._call = call
        self._injected = injected
        self._reply: HttpReply | None = None

    async def __aenter__(self) -> HttpReply:
        request = self._request
        if isinstance(request, ProviderFailed):
            raise request
        try:
            status, headers, stream = await self._transport.exchange(*request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise provider_failure(self._provider, error) from error
        self._stream = stream
        self._reply = reply = HttpReply(
            self._provider, status, headers, stream, self._call, self._target, self._injected
        )
        return reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reply is None:
            return
        stream = self._stream
        if self._reply.chunks.complete:  # the common case, and a cancel scope is dear
            await stream.aclose()
            return
        with trio.move_on_after(CLOSING_SECONDS, shield=True):
            await self._reply.chunks.aclose()
            await stream.aclose()


class HttpReply:
    """An answer while it arrives; see ``aexl.api.Reply``."""

    __slots__ = ("_reader", "chunks", "headers", "status")

    def __init__(
        self,
        provider: str,
        status: int,
        headers: Headers,
        stream: httpx.AsyncByteStream,
        call: Call,
        target: Target,
        injected: bool,
    ) -> None:
        self.status = status
        self.headers = end_to_end(headers)
        self._reader: StreamReader | BodyReader
        media = call.surface in MEDIA
        if 200 <= self.status < 300 and _is_event_stream(self.headers):
            reader = (
                MediaEvents(call, target)
                if media
                else stream_reader(call.surface, injected, _implied_tools(call, target))
            )
            self._reader = reader
            self.chunks: Chunks = EventChunks(provider, stream, reader)
        else:
            body = MediaReader(call, target) if media else BodyReader(call.surface, _implied_tools(call, target))
            self._reader = body
            self.chunks = BodyChunks(provider, stream, body, wanted=200 <= self.status < 300)

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    @property
    def upstream_id(self) -> str | None:
        return self._reader.upstream_id

    @property
    def finished(self) -> bool:
        return self._reader.finished


def _implied_tools(call: Call, target: Target) -> Mapping[str, int]:
    """Return the uses that a chat call pays for without its answer saying so: one search where it asks for the web."""
    if call.surface == "chat" and ("web_search_options" in call.body or "-search-" in target.model):
        return _ONE_SEARCH
    return _NO_TOOLS


def _is_event_stream(headers: Headers) -> bool:
    for name, value in headers:
        if name == b"content-type":
            return value[:17].lower() == b"text/event-stream"
    return False


class Chunks(trio.abc.ReceiveChannel[bytes]):
    """The pieces of a body, in the order in which they arrive.

    Attributes:
        ended: Nothing is left to read.
        complete: All of it has been read, to its proper end.
    """

    def __init__(self, provider: str, stream: httpx.AsyncByteStream) -> None:
        self._provider = provider
        self._pieces: AsyncIterator[bytes] = stream.__aiter__()
        self._closed = False
        self.ended = False
        self.complete = False

    async def _next(self) -> bytes | None:
        """Return the next piece that is not empty, or ``None`` at the end."""
        if self._closed:
            raise trio.ClosedResourceError
        if self.ended:
            return None
        try:
            while True:
                piece = await self._pieces.__anext__()
                if piece:
                    return piece
        except StopAsyncIteration:
            self.ended = self.complete = True
            return None
        except httpx.TransportError as error:
            self.ended = True
            raise provider_failure(self._provider, error, answered=True) from error

    async def aclose(self) -> None:
        """Stop reading; what the stream holds is given back by the exchange."""
        self._closed = True
        close = getattr(self._pieces, "aclose", None)
        if close is not None:  # a generator, as most of httpx's own streams have
            await close()


class BodyChunks(Chunks):
    """A body that is no stream: every piece passes at once, and all of it is read at the end."""

    def __init__(self, provider: str, stream: httpx.AsyncByteStream, reader: BodyReader, *, wanted: bool) -> None:
        super().__init__(provider, stream)
        self._reader = reader
        self._parts: list[bytes] | None = [] if wanted else None
        self._size = 0

    async def receive(self) -> bytes:
        """Return the next piece.

        Raises:
            trio.EndOfChannel: After the last one.
            ProviderFailed: If the connection was lost.
        """
        piece = await self._next()
        if piece is None:
            self._finish()
            raise trio.EndOfChannel
        if self._parts is not None:
            self._size += len(piece)
            self._parts.append(piece)
            if self._size > MAX_READ:
                self._parts = None
        return piece

    def _finish(self) -> None:
        if self._parts is not None:
            self._reader.read(b"".join(self._parts))
            self._parts = None
        else:
            self._reader.finished = True


class EventChunks(Chunks):
    """An event stream: whole events, as many in a piece as arrived together."""

    def __init__(self, provider: str, stream: httpx.AsyncByteStream, reader: StreamReader) -> None:
        super().__init__(provider, stream)
        self._reader = reader
        self._left_over = True

    async def receive(self) -> bytes:
        """Return the next events.

        Raises:
            trio.EndOfChannel: After the last one.
            ProviderFailed: If the connection was lost; an event that was cut is not passed on.
        """
        while True:
            piece = await self._next()
            if piece is None:
                rest = self._reader.close() if self._left_over else b""
                self._left_over = False
                if rest:
                    return rest
                raise trio.EndOfChannel
            try:
                events = self._reader.feed(piece)
            except Invalid as error:
                self.ended = True
                raise ProviderFailed(
                    f"the provider {self._provider!r}: {error}",
                    code="upstream_protocol",
                    status=502,
                    charged="unknown",
                ) from error
            if events:
                return events
