"""Looking at answers as they pass, to learn what the host's events do not say."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final

import trio

from aexl.api import Call, Headers, Provider, Reply, Target, Usage

KEPT: Final = 1024 * 1024
"""Bytes of an answer that are looked at: as many as the host itself keeps, so that they are the same objects."""

MOST: Final = 4096
"""Answers that may wait for their call's settlement; the oldest are forgotten first."""


class Seen:
    """What passed of one answer."""

    __slots__ = ("chunks", "is_stream", "last", "room")

    def __init__(self, is_stream: bool) -> None:
        self.is_stream = is_stream
        self.chunks: list[bytes] = []
        self.last = b""
        self.room = KEPT

    def pieces(self) -> list[bytes]:
        """Return what there is to read: of a long stream, the beginning and the last piece."""
        return [*self.chunks, self.last] if self.is_stream else self.chunks if not self.last else []


class Notebook:
    """What was seen, by execution."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def begin(self, execution: str, is_stream: bool) -> Seen:
        """Begin with an answer; one of an earlier attempt is forgotten."""
        seen = Seen(is_stream)
        self._seen[execution] = seen
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)
        return seen

    def take(self, execution: str) -> Seen | None:
        """Return what was seen, and forget it."""
        return self._seen.pop(execution, None)


class Observed:
    """A provider whose answers are looked at."""

    def __init__(self, provider: Provider, notebook: Notebook) -> None:
        self.name = provider.name
        self.surfaces = provider.surfaces
        self._provider = provider
        self._notebook = notebook

    def open(self, call: Call, target: Target) -> ObservedExchange:
        """Return the provider's context."""
        return ObservedExchange(self._provider.open(call, target), call, self._notebook)


class ObservedExchange:
    """A provider's context whose reply is looked at."""

    __slots__ = ("_call", "_inner", "_notebook")

    def __init__(self, inner: AbstractAsyncContextManager[Reply], call: Call, notebook: Notebook) -> None:
        self._inner = inner
        self._call = call
        self._notebook = notebook

    async def __aenter__(self) -> ObservedReply:
        reply = await self._inner.__aenter__()
        is_stream = self._call.stream and 200 <= reply.status < 300
        return ObservedReply(reply, self._notebook.begin(self._call.id, is_stream))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)


class ObservedReply:
    """A reply whose pieces are looked at; see ``aexl.api.Reply``."""

    __slots__ = ("_reply", "chunks", "headers", "status")

    def __init__(self, reply: Reply, seen: Seen) -> None:
        self._reply = reply
        self.status = reply.status
        self.headers: Headers = reply.headers
        self.chunks = ObservedChunks(reply.chunks, seen)

    @property
    def usage(self) -> Usage | None:
        return self._reply.usage

    @property
    def upstream_id(self) -> str | None:
        return self._reply.upstream_id

    @property
    def finished(self) -> bool:
        return self._reply.finished


class ObservedChunks(trio.abc.ReceiveChannel[bytes]):
    """The pieces of a body, noted as they pass."""

    def __init__(self, chunks: trio.abc.ReceiveChannel[bytes], seen: Seen) -> None:
        self._receive = chunks.receive
        self._close = chunks.aclose
        self._seen = seen

    async def receive(self) -> bytes:
        """Return the next piece."""
        data = await self._receive()
        seen = self._seen
        seen.room -= len(data)
        if seen.room >= 0:
            seen.chunks.append(data)
        else:
            seen.last = data
        return data

    async def aclose(self) -> None:
        """Stop reading."""
        await self._close()
