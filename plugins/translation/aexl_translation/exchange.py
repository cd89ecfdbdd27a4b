"""One translated call while it runs: the context and the reply."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final

import msgspec

from aexl.api import Call, Headers, Provider, Reply, Target, Usage
from aexl_translation.answer import Failure
from aexl_translation.asked import Asked
from aexl_translation.codecs import CODECS
from aexl_translation.dialects import Dialect
from aexl_translation.errors import client_status
from aexl_translation.pieces import CountPieces, ErrorPieces, Once, Pieces, StreamPieces, WholePieces
from aexl_translation.refusals import Untranslatable
from aexl_translation.requests import asked_of, translate, translate_count
from aexl_translation.settings import TranslationSection

JSON: Final = (b"content-type", b"application/json")
EVENTS: Final = (b"content-type", b"text/event-stream; charset=utf-8")
_NO_RETRY: Final = (b"x-should-retry", b"false")


class Exchange:
    """The context that ``TranslatingProvider.open`` returns.

    Args:
        inner: Who is called.
        call: What was asked, in the dialect ``origin``.
        target: Where it goes.
        into: The dialect to ask the provider in; ``None`` if it has none for such a call.
        section: The configuration.
    """

    __slots__ = ("_call", "_context", "_inner", "_into", "_origin", "_section", "_target")

    def __init__(
        self,
        inner: Provider,
        call: Call,
        target: Target,
        origin: Dialect,
        into: Dialect | None,
        section: TranslationSection,
    ) -> None:
        self._inner = inner
        self._call = call
        self._target = target
        self._origin: Dialect = origin
        self._into = into
        self._section = section
        self._context: AbstractAsyncContextManager[Reply] | None = None

    async def __aenter__(self) -> Reply:
        try:
            return await self._open(self._into or self._uncounted())
        except Untranslatable as refused:
            return RefusedReply(refused, self._origin)

    async def _open(self, into: Dialect) -> Reply:
        call, target, origin = self._call, self._target, self._origin
        counts = call.surface == "count"
        translator = translate_count if counts else translate
        made = translator(call, target, origin, into, self._section)
        self._context = context = self._inner.open(made.call, made.target)
        reply = await context.__aenter__()
        asked = asked_of(call, target, origin, made, lambda: reply.usage)
        return TranslatedReply(reply, target.provider, origin, into, asked, stream=call.stream, counts=counts)

    def _uncounted(self) -> Dialect:
        raise Untranslatable(
            f"the provider {self._target.provider!r} does not count tokens without answering; "
            f"leave the count out, or count at another model",
            "model",
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return None if self._context is None else await self._context.__aexit__(kind, error, trace)


class RefusedReply:
    """The answer to a call that cannot be translated: a 400 in the caller's dialect, for which nothing was sent."""

    def __init__(self, refused: Untranslatable, origin: Dialect) -> None:
        self.status = 400
        self.headers: Headers = (JSON, _NO_RETRY)
        self.usage: Usage | None = None
        self.upstream_id: str | None = None
        self.finished = True
        failure = Failure(refused.reason, "invalid_request_error", "untranslatable", refused.param)
        self.chunks = Once(msgspec.json.encode(CODECS[origin].write_error(failure, 400)))


class TranslatedReply:
    """An answer in the caller's dialect; what it consumed is the inner reply's word. See ``aexl.api.Reply``."""

    __slots__ = ("_inner", "chunks", "headers", "status")

    def __init__(
        self,
        inner: Reply,
        provider: str,
        origin: Dialect,
        into: Dialect,
        asked: Asked,
        *,
        stream: bool,
        counts: bool,
    ) -> None:
        self._inner = inner
        good = 200 <= inner.status < 300
        self.status = inner.status if good else client_status(inner.status)
        streams = good and stream
        self.chunks: Pieces
        if not good:
            self.chunks = ErrorPieces(inner, provider, origin, into, self.status)
        elif counts:
            self.chunks = CountPieces(inner, provider, origin)
        elif streams and _is_event_stream(inner.headers):
            self.chunks = StreamPieces(inner, provider, origin, into, asked)
        else:
            self.chunks = WholePieces(inner, provider, origin, into, asked, streams=streams)
        self.headers = _headers(inner.headers, EVENTS if streams else JSON)

    @property
    def usage(self) -> Usage | None:
        return self._inner.usage

    @property
    def upstream_id(self) -> str | None:
        return self._inner.upstream_id

    @property
    def finished(self) -> bool:
        return self._inner.finished


def _is_event_stream(headers: Headers) -> bool:
    return any(name == b"content-type" and value[:17].lower() == b"text/event-stream" for name, value in headers)


def _headers(headers: Headers, kind: tuple[bytes, bytes]) -> Headers:
    """Return the provider's headers with the type of what is sent in its place, and its id under both names."""
    kept = [header for header in headers if header[0] not in (b"content-type", b"content-encoding", b"content-length")]
    names = {name: value for name, value in kept if name in (b"request-id", b"x-request-id")}
    if len(names) == 1:
        [(name, value)] = names.items()
        kept.append((b"x-request-id" if name == b"request-id" else b"request-id", value))
    return [kind, *kept]
