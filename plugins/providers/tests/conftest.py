"""A provider whose upstream is a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import trio

from aexl.testing.host import FakeHost
from aexl.testing.provider import FakeReply
from aexl_providers.provider import HttpProvider, HttpProviderType


class ScriptedStream(httpx.AsyncByteStream):
    def __init__(self, reply: FakeReply) -> None:
        self.reply = reply
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.reply.chunks:
            await trio.lowlevel.checkpoint()
            yield chunk
        if self.reply.cut is not None:
            raise httpx.ReadError("connection reset by peer")

    async def aclose(self) -> None:
        self.closed = True


class ScriptedUpstream(httpx.AsyncBaseTransport):
    """Answers every request alike and keeps the requests."""

    def __init__(self, reply: FakeReply | Exception) -> None:
        self.reply = reply
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self.streams: list[ScriptedStream] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(await request.aread())
        if isinstance(self.reply, Exception):
            raise self.reply
        if self.reply.refuses is not None:
            raise httpx.ConnectError("connection refused")
        stream = ScriptedStream(self.reply)
        self.streams.append(stream)
        headers = [(name.title(), value) for name, value in self.reply.headers]
        return httpx.Response(self.reply.status, headers=headers, stream=stream)


class Factory:
    def __init__(self, home: Path) -> None:
        self.host = FakeHost(home)
        self.upstream = ScriptedUpstream(FakeReply())

    def __call__(
        self, reply: FakeReply | Exception | None = None, dialect: str = "openai", **table: object
    ) -> HttpProvider:
        self.upstream = ScriptedUpstream(FakeReply() if reply is None else reply)
        self.host.upstream = self.upstream
        kind = HttpProviderType(dialect, self.host)  # type: ignore[arg-type]  # a test may ask for nonsense
        given = {"type": dialect, "base_url": "https://models.example/v1", **table}
        return kind.build("far", {key: value for key, value in given.items() if value is not None})


@pytest.fixture
def make_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., HttpProvider]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    return Factory(tmp_path)
