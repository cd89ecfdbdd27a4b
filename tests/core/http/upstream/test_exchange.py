"""Exchanges without httpx's objects."""

import socket

import httpx
import pytest
import trio

from aexl.api import Upstream
from aexl.core.http.transport import HEADS, LONGEST
from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.exchange import Exchange
from aexl.core.http.upstream.pool import Pool
from aexl.core.http.upstream.wire import PlainWire
from aexl.testing.upstream import ScriptedServer, response

OK = response(b"ok")


async def exchange(transport, server, *headers, method="POST", body=b"{}"):
    url = httpx.URL(f"{server.url}/v1/x?a=b%20c")
    status, _, stream = await transport.exchange(method, url, headers, body)
    return status, b"".join([piece async for piece in stream])


async def test_an_exchange_sends_the_headers_it_was_given_and_adds_host_and_length(make):
    async with ScriptedServer([[OK]]) as server:
        transport = make()
        assert await exchange(transport, server, (b"x-b", b"1"), (b"x-b", b"2")) == (200, b"ok")
        await transport.aclose()
        [received] = server.requests
        assert (received.method, received.target, received.body) == (b"POST", b"/v1/x?a=b%20c", b"{}")
        host = f"127.0.0.1:{server.port}".encode()
        assert list(received.headers) == [
            (b"host", host),
            (b"x-b", b"1"),
            (b"x-b", b"2"),
            (b"content-length", b"2"),
        ]


async def test_an_exchange_without_a_body_says_so_where_its_method_has_one(make):
    async with ScriptedServer([[OK], [OK]]) as server:
        transport = make()
        await exchange(transport, server, body=b"")
        await exchange(transport, server, method="GET", body=b"")
        await transport.aclose()
        post, get = server.requests
        assert (b"content-length", b"0") in list(post.headers)
        assert b"content-length" not in dict(get.headers)


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nhost: b"),
        (b"x", b"a\nb"),
        (b"x\0", b"a"),
        (b"host", b"a"),
        (b"Content-Length", b"1"),
        (b"transfer-encoding", b"chunked"),
    ],
)
async def test_an_exchange_with_a_header_that_breaks_or_frames_is_not_sent(make, header):
    async with ScriptedServer([[OK]]) as server:
        transport = make()
        with pytest.raises(httpx.LocalProtocolError) as failed:
            await exchange(transport, server, header)
        assert failed.value.sent is False
        await transport.aclose()
        assert server.requests == []


async def test_a_head_that_repeats_says_the_length_of_its_own_body(make):
    async with ScriptedServer(lambda request: [OK]) as server:
        transport, url, headers = make(), httpx.URL(f"{server.url}/v1/x"), [(b"x", b"1")]
        for body in (b"{}", b"", b'{"a":1}'):
            _, _, stream = await transport.exchange("POST", url, list(headers), body)
            assert [piece async for piece in stream] == [b"ok"]
        await transport.aclose()
        assert [request.body for request in server.requests] == [b"{}", b"", b'{"a":1}']
        assert [dict(request.headers)[b"content-length"] for request in server.requests] == [b"2", b"0", b"7"]


async def test_no_head_is_taken_for_another(make):
    async with ScriptedServer(lambda request: [OK]) as server:
        transport = make()
        urls = [httpx.URL(f"{server.url}/{path}") for path in "ab"]
        asked = [
            (method, url, [(name, value)])
            for method in ("POST", "PUT")
            for url in urls
            for name, value in ((b"x", b"y"), (b"x", b"z"), (b"xy", b""))
        ]
        for method, url, headers in asked * 2:
            await transport.exchange(method, url, headers, b"{}")
        await transport.aclose()
        got = [(request.method, request.target, request.headers[1]) for request in server.requests]
        assert got == [(method.encode(), url.raw_path, headers[0]) for method, url, headers in asked] * 2


async def test_heads_are_not_remembered_without_bound(make):
    async with ScriptedServer(lambda request: [OK]) as server:
        transport, url = make(), httpx.URL(server.url)
        for number in range(2 * HEADS + 1):
            headers = [(b"x", b"%d" % number), (b"y", b"y" * (LONGEST if number == 0 else 1))]
            assert (await transport.exchange("GET", url, headers, b"")).status == 200
            assert len(transport._known) <= HEADS
        await transport.aclose()
        assert [dict(request.headers)[b"x"] for request in server.requests] == [b"%d" % n for n in range(2 * HEADS + 1)]


async def test_a_request_that_a_socket_takes_piece_by_piece_arrives_whole():
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    start = b"POST / HTTP/1.1\r\ncontent-length: 60000\r\n\r\n" + bytes(range(250)) * 240

    async def dial(until):
        return PlainWire(ours, Deadlines())

    async with trio.SocketStream(trio.socket.from_stdlib_socket(theirs)) as stream, trio.open_nursery() as nursery:
        got = bytearray()

        async def answer():
            while len(got) < len(start):
                got.extend(await stream.receive_some(1000))
            await stream.send_all(OK)

        nursery.start_soon(answer)
        reply = await Exchange(Pool(dial, 1), Upstream()).run(start, None, bodyless=False)
        assert (reply.status, bytes(got)) == (200, start)
    ours.close()
