"""One call to a provider's server, while it runs: the context, the reply, the pieces of its body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Final

import httpx
import trio

from aexl.api import Arriving, Call, Direct, Headers, Target, Usage
from aexl.errors import Invalid, ProviderFailed
from aexl_providers.answers import BodyReader, Passing, Reader, stream_reader
from aexl_providers.failures import provider_failure
from aexl_providers.media import MEDIA, MediaEvents, MediaReader
from aexl_providers.requests import RequestBuilder

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
        transport: Where to send.
        builder: Says what to send.
        call: What was asked.
        target: Where it goes.
    """

    __slots__ = ("_builder", "_call", "_reply", "_stream", "_target", "_transport")

    def __init__(self, transport: Direct, builder: RequestBuilder, call: Call, target: Target) -> None:
        self._transport = transport
        self._builder = builder
        self._call = call
        self._target = target
        self._reply: HttpReply | None = None

    async def __aenter__(self) -> HttpReply:
        builder, call, target = self._builder, self._call, self._target
        try:
            url, headers, body, injected = builder.build(call, target)
            status, headers, stream = await self._transport.exchange(call.method, url, headers, body)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise provider_failure(builder.name, error) from error
        self._stream = stream
        self._reply = reply = HttpReply(builder.name, status, headers, stream, call, target, injected)
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
        self.headers: Headers = [header for header in headers if header[0] not in _DROPPED]
        self._reader = reader = _reader(status, headers, call, target, injected)
        self.chunks = Chunks(provider, stream, reader)

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage

    @property
    def upstream_id(self) -> str | None:
        return self._reader.upstream_id

    @property
    def finished(self) -> bool:
        return self._reader.finished


def _reader(status: int, headers: Headers, call: Call, target: Target, injected: bool) -> Reader:
    if not 200 <= status < 300:
        return Passing()
    streams = _is_event_stream(headers)
    if call.surface in MEDIA:
        return MediaEvents(call, target) if streams else MediaReader(call, target)
    tools = _implied_tools(call, target)
    return stream_reader(call.surface, injected, tools) if streams else BodyReader(call.surface, tools)


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
    """What the reader of a body passes on of it, piece by piece as they arrive; of an event stream whole events.

    Attributes:
        complete: All of it has been read, to its proper end.
    """

    __slots__ = ("_closed", "_ended", "_pieces", "_provider", "_reader", "complete")

    def __init__(self, provider: str, stream: httpx.AsyncByteStream, reader: Reader) -> None:
        self._provider = provider
        self._pieces: AsyncIterator[bytes] = stream.__aiter__()
        self._reader = reader
        self._closed = False
        self._ended = False
        self.complete = False

    async def receive(self) -> bytes:
        """Return the next piece.

        Raises:
            trio.EndOfChannel: After the last one.
            ProviderFailed: If the connection was lost, or what came cannot be understood; an event that was cut
                is not passed on.
        """
        if self._closed:
            raise trio.ClosedResourceError
        while not self._ended:
            try:
                piece = self._reader.feed(await self._pieces.__anext__())
            except StopAsyncIteration:
                self._ended = self.complete = True
                piece = self._reader.close()
            except httpx.TransportError as error:
                self._ended = True
                raise provider_failure(self._provider, error, answered=True) from error
            except Invalid as error:
                self._ended = True
                raise ProviderFailed(
                    f"the provider {self._provider!r}: {error}",
                    code="upstream_protocol",
                    status=502,
                    charged="unknown",
                ) from error
            if piece:
                return piece
        raise trio.EndOfChannel

    async def aclose(self) -> None:
        """Stop reading; what the stream holds is given back by the exchange."""
        self._closed = True
        close = getattr(self._pieces, "aclose", None)
        if close is not None:  # a generator, as most of httpx's own streams have
            await close()
