"""The server on real sockets, against clients that other people wrote."""

import errno
import http.client
import os
import resource
import socket

import httpx
import pytest
import trio
import trio.testing

from aexl.core.http.limits import ServerLimits
from aexl.core.http.origin import OriginRule
from aexl.core.http.server import Server, open_unix_listener, open_unix_stream

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
async def listen(nursery):
    """Start a server on a loopback port; returns it and the port."""

    async def start(app, **limits: float) -> tuple[Server, int]:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        server = Server(app, limits=ServerLimits(**limits), origins=OriginRule(ports=[port]))
        await nursery.start(server.run, listeners)
        return server, port

    return start


async def test_httpx_is_served_on_one_connection(listen, echo) -> None:
    server, port = await listen(echo)
    async with httpx.AsyncClient(base_url=f"http://localhost:{port}") as client:
        for size in (0, 1, 100_000, 3_000_000):
            answer = await client.post("/a b", content=b"x" * size)
            assert (answer.status_code, answer.content) == (200, b"POST /a b " + b"x" * size)
        assert server.connections == 1

        async def pieces():
            for _ in range(20):
                yield b"y" * 5000

        assert (await client.put("/", content=pieces())).content == b"PUT / " + b"y" * 100_000
        assert (await client.head("/")).status_code == 200
        assert server.connections == 1


async def test_http_client_is_served(listen, echo) -> None:
    _, port = await listen(echo)

    def talk() -> list[tuple[int, bytes]]:
        seen = []
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for method, body in (("GET", None), ("POST", b"x" * 200_000), ("HEAD", None), ("PUT", iter([b"a", b"b"]))):
            connection.request(method, "/", body, encode_chunked=True)
            answer = connection.getresponse()
            seen.append((answer.status, answer.read()))
        connection.close()
        return seen

    assert await trio.to_thread.run_sync(talk) == [
        (200, b"GET / "), (200, b"POST / " + b"x" * 200_000), (200, b""), (200, b"PUT / ab"),
    ]  # fmt: skip


async def test_a_client_whose_body_is_too_long_can_read_why(listen, echo) -> None:
    _, port = await listen(echo, body_bytes=1000)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.post("/", content=b"x" * 5_000_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_stream_arrives_as_it_is_sent_without_nagle(listen) -> None:
    going_on = trio.Event()

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await going_on.wait()
        await send({"type": "http.response.body", "body": b"two"})

    _, port = await listen(app)
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        client.stream("GET", "/") as answer,
    ):
        seen = []
        async for chunk in answer.aiter_raw():
            seen.append(chunk)
            going_on.set()
    assert seen == [b"one", b"two"]


async def test_a_large_answer_to_a_slow_reader_waits_and_arrives(listen) -> None:
    async def app(scope, receive, send) -> None:
        assert scope["client"][0] == "127.0.0.1"
        assert scope["server"] == ("127.0.0.1", port)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x" * 20_000_000})

    _, port = await listen(app)
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(f"GET / HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n".encode())
    size = 0
    while data := await stream.receive_some(1_000_000):
        size += len(data)
    assert size > 20_000_000
    await stream.aclose()


async def test_a_client_that_resets_while_it_is_written_to_is_gone(listen) -> None:
    gone = trio.Event()

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        except OSError:
            gone.set()
            raise

    _, port = await listen(app)
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    await stream.receive_some()
    await stream.aclose()
    await gone.wait()


async def test_a_cut_answer_without_a_length_is_a_reset(listen, caplog) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        await read.wait()
        raise LookupError

    read = trio.Event()
    _, port = await listen(app)
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(f"GET / HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n".encode())
    assert (await stream.receive_some()).endswith(b"some")
    read.set()
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    await stream.aclose()


async def test_idle_socket_connections_are_closed_by_a_drain(listen, echo) -> None:
    server, port = await listen(echo)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        await client.get("/")
        assert server.connections == 1
        server.drain()
        while server.connections:
            await trio.lowlevel.checkpoint()
        with pytest.raises(httpx.TransportError):
            await client.get("/")


async def test_accepted_sockets_do_not_delay_small_writes(listen, echo) -> None:
    server, port = await listen(echo)
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    while not server.connections:
        await trio.lowlevel.checkpoint()
    (connection,) = server._connections
    assert connection._wire._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    await stream.aclose()


async def test_a_unix_client_is_served_and_named(tmp_path, nursery) -> None:
    scopes = []

    async def app(scope, receive, send) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x"})

    path = tmp_path / "control.sock"
    server = Server(app, limits=ServerLimits(), origins=None)
    await nursery.start(server.run, [await open_unix_listener(path)])
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://aexl") as client:
        assert (await client.get("/")).content == b"x"

    (scope,) = scopes
    assert scope["extensions"]["aexl.peer"] == {"uid": os.getuid(), "pid": os.getpid()}
    assert (scope["client"], scope["server"]) == (None, (str(path), None))
    server.drain()
    while path.exists():
        await trio.lowlevel.checkpoint()


async def test_a_server_without_descriptors_recovers(listen, echo, caplog) -> None:
    server, port = await listen(echo)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = await trio.open_tcp_stream("127.0.0.1", port)
    while not server.connections:
        await trio.lowlevel.checkpoint()
    connecting = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (connecting.fileno() + 1, hard))
    try:
        with pytest.raises(OSError) as caught:  # noqa: PT011  # the number is what matters
            socket.socket()
        assert caught.value.errno == errno.EMFILE
        connecting.connect(("127.0.0.1", port))
        while not caplog.records:
            await trio.sleep(0.01)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    while server.connections < 2:
        await trio.sleep(0.01)
    connecting.close()
    await client.aclose()


async def test_a_stream_can_be_opened_at_a_path_of_any_length(tmp_path, nursery, echo) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    path = folder / "control.sock"
    assert len(str(path)) > 200
    server = Server(echo, limits=ServerLimits(), origins=None)
    await nursery.start(server.run, [await open_unix_listener(path)])
    stream = await open_unix_stream(path)
    await stream.send_all(GET)
    assert (await stream.receive_some()).endswith(b"GET /a ")
    await stream.aclose()
    server.drain()
    while path.exists():
        await trio.lowlevel.checkpoint()
