"""A server on memory streams, and a client that h11 reads for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import h11
import pytest
import trio
import trio.testing

from aexl.api import ASGIApp
from aexl.core.http.limits import ServerLimits
from aexl.core.http.origin import OriginRule
from aexl.core.http.refusal import WriteRefusal, neutral_refusal
from aexl.core.http.server import Server


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts the streams that ``connect`` makes."""

    def __init__(self) -> None:
        self._coming, self._accepting = trio.open_memory_channel[trio.abc.Stream](math.inf)

    async def accept(self) -> trio.abc.Stream:
        return await self._accepting.receive()

    async def aclose(self) -> None:
        self._accepting.close()
        await trio.lowlevel.checkpoint()

    async def connect(self) -> trio.StapledStream:
        client, server = trio.testing.memory_stream_pair()
        await self._coming.send(server)
        return client


@dataclass
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


class Client:
    """One connection, as a client sees it."""

    def __init__(self, stream: trio.StapledStream) -> None:
        self.stream = stream
        self._rest = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, method: str = "GET") -> Answer:
        """Read one answer; h11 raises where it is cut or malformed."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        parser.send(h11.EndOfMessage())
        if self._rest:
            parser.receive_data(self._rest)
        answer = None
        while True:
            event = parser.next_event()
            match event:
                case h11.NEED_DATA:
                    parser.receive_data(await self.stream.receive_some())
                case h11.Response():
                    answer = Answer(event.status_code, list(event.headers))
                case h11.Data():
                    answer.body += event.data
                case h11.EndOfMessage():
                    self._rest = parser.trailing_data[0]
                    return answer
                case h11.ConnectionClosed():
                    pytest.fail("the connection was closed before an answer")

    async def rest(self) -> bytes:
        """Read to the end of the connection."""
        data = self._rest
        while more := await self.stream.receive_some():
            data += more
        return data

    async def is_closed(self) -> bool:
        return await self.rest() == b""


@dataclass
class Served:
    server: Server
    listener: MemoryListener
    running: trio.Event = field(default_factory=trio.Event)

    async def connect(self) -> Client:
        return Client(await self.listener.connect())

    async def exchange(self, data: bytes, method: str = "GET") -> Answer:
        client = await self.connect()
        await client.send(data)
        return await client.answer(method)


@pytest.fixture
async def serve(nursery: trio.Nursery) -> Callable[..., object]:
    """Start a server for an application; its ``running`` event is set when ``run`` has returned."""

    async def start(
        app: ASGIApp, *, origins: OriginRule | None = None, refuse: WriteRefusal = neutral_refusal, **limits: float
    ) -> Served:
        server = Server(app, limits=ServerLimits(**limits), origins=origins, refuse=refuse)
        served = Served(server, MemoryListener())

        async def run(task_status: trio.TaskStatus[None]) -> None:
            await served.server.run([served.listener], task_status=task_status)
            served.running.set()

        await nursery.start(run)
        return served

    return start


@pytest.fixture
def echo() -> ASGIApp:
    """An application that answers with what it was asked and sent."""
    return echo_app


async def echo_app(scope, receive, send) -> None:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    line = f"{scope['method']} {scope['path']} ".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": line + body})


@pytest.fixture
def start() -> Callable[..., dict[str, object]]:
    """Makes ASGI's message that begins an answer."""

    def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, object]:
        return {"type": "http.response.start", "status": status, "headers": list(headers)}

    return start


@pytest.fixture
def body() -> Callable[..., dict[str, object]]:
    """Makes ASGI's message with a piece of an answer."""

    def body(data: bytes = b"", *, more: bool = False) -> dict[str, object]:
        return {"type": "http.response.body", "body": data, "more_body": more}

    return body
