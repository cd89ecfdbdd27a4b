import socket

import httpx
import pytest
import trio

from aexl.api import Upstream
from aexl.core.http.transport import make_transport
from aexl.testing.upstream import Action, Pause, ScriptedServer, chunked_response, response

OK = response(b"ok")
HEAD, CHUNK, END = chunked_response(b"data: 1\n\n")


def always(*steps):
    return lambda request: steps


async def test_an_answer_comes_back_as_it_was_sent(make, post):
    headers = ((b"X-Request-Id", b"r1"), (b"Content-Encoding", b"gzip"), (b"x-request-id", b"r2"))
    async with ScriptedServer([[response(b"\x1f\x8bnot really", headers=headers, status=429)]]) as server:
        transport = make()
        answer = await transport.handle_async_request(post(f"{server.url}/v1/x?a=b%20c"))
        assert answer.status_code == 429
        assert answer.headers.raw == [
            (b"x-request-id", b"r1"),
            (b"content-encoding", b"gzip"),
            (b"x-request-id", b"r2"),
            (b"content-length", b"12"),
        ]
        assert [piece async for piece in answer.stream] == [b"\x1f\x8bnot really"]
        await transport.aclose()


async def test_a_request_goes_out_as_it_was_given(make, call):
    async with ScriptedServer([[OK]]) as server:
        transport = make()
        headers = [(b"X-B", b"1"), (b"Accept-Encoding", b"br"), (b"X-B", b"2")]
        request = httpx.Request(
            "POST", f"{server.url}/v1/x?a=b%20c", headers=headers, stream=httpx.ByteStream(b'{"a":1}')
        )
        await call(transport, request)
        await transport.aclose()
        [received] = server.requests
        assert (received.method, received.target, received.body) == (b"POST", b"/v1/x?a=b%20c", b'{"a":1}')
        host = f"127.0.0.1:{server.port}".encode()
        given = [(b"x-b", b"1"), (b"accept-encoding", b"br"), (b"x-b", b"2")]
        assert list(received.headers) == [(b"host", host), (b"content-length", b"7"), *given]


async def test_a_large_body_arrives_whole(make, post, call):
    body = bytes(range(256)) * 16384  # 4 MiB: more than a socket takes at once
    async with ScriptedServer([[OK]]) as server:
        transport = make()
        assert await call(transport, post(server.url, body)) == (200, b"ok")
        await transport.aclose()
        assert server.requests[0].body == body


class Pieces(httpx.AsyncByteStream):
    def __init__(self, *pieces):
        self.pieces = pieces

    async def __aiter__(self):
        for piece in self.pieces:
            await trio.lowlevel.checkpoint()
            yield piece


@pytest.mark.parametrize("headers", [[], [("content-length", "6")], [("transfer-encoding", "chunked")]])
async def test_a_body_that_streams_is_framed(make, call, headers):
    async with ScriptedServer([[OK], [OK]]) as server:
        transport = make()
        for _ in range(2):
            request = httpx.Request("POST", server.url, headers=headers, stream=Pieces(b"abc", b"", b"def"))
            assert await call(transport, request) == (200, b"ok")
        assert [received.body for received in server.requests] == [b"abcdef"] * 2
        assert server.accepted == 1
        await transport.aclose()


@pytest.mark.parametrize(
    ("headers", "body", "sent"),
    [
        ([("content-length", "3")], httpx.ByteStream(b"abcd"), False),
        ([("content-length", "+4")], httpx.ByteStream(b"abcd"), False),
        ([("content-length", "4"), ("transfer-encoding", "chunked")], httpx.ByteStream(b"abcd"), False),
        ([("content-length", "4"), ("Content-Length", "0")], httpx.ByteStream(b"abcd"), False),
        ([("host", "a"), ("x", "y"), ("Host", "b")], httpx.ByteStream(b"abcd"), False),
        ([("transfer-encoding", "gzip")], httpx.ByteStream(b"abcd"), False),
        ([("x", "a\r\nx-evil: b")], httpx.ByteStream(b""), False),
        ([("x", "a\nb")], httpx.ByteStream(b""), False),
        ([("x", "a\0b")], httpx.ByteStream(b""), False),
        ([("content-length", "3")], Pieces(b"ab", b"cd"), True),
        ([("content-length", "5")], Pieces(b"ab", b"cd"), True),
    ],
)
async def test_a_request_that_would_smuggle_is_not_sent(make, headers, body, sent):
    async with ScriptedServer(always(OK)) as server:
        transport = make()
        request = httpx.Request("POST", server.url, headers=headers, stream=body)
        with pytest.raises(httpx.LocalProtocolError) as caught:
            await transport.handle_async_request(request)
        assert caught.value.sent is sent
        assert server.requests == []
        await transport.aclose()


async def test_a_connection_serves_one_exchange_after_another(make, post, call):
    async with ScriptedServer([[OK], chunked_response(b"a", b"b"), [response(status=204)], [OK]]) as server:
        transport = make()
        assert [await call(transport, post(server.url)) for _ in range(4)] == [
            (200, b"ok"),
            (200, b"ab"),
            (204, b""),
            (200, b"ok"),
        ]
        assert server.accepted == 1
        await transport.aclose()


async def test_one_byte_slices_are_read_like_any_other(make, post, call):
    data = b"".join(chunked_response(b"hello", b"world"))
    async with ScriptedServer([[data[i : i + 1] for i in range(len(data))], [OK]]) as server:
        transport = make()
        assert await call(transport, post(server.url)) == (200, b"helloworld")
        assert await call(transport, post(server.url)) == (200, b"ok")
        assert server.accepted == 1
        await transport.aclose()


async def test_pieces_are_given_out_as_they_arrive(make, post):
    gate = trio.Event()
    head, one, two, end = chunked_response(b"one", b"two")
    async with ScriptedServer([[head + one, gate.wait, two, end]]) as server:
        transport = make()
        answer = await transport.handle_async_request(post(server.url))
        pieces = aiter(answer.stream)
        assert await anext(pieces) == b"one"
        gate.set()
        assert await anext(pieces) == b"two"
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        await transport.aclose()


async def test_an_upstream_is_read_only_as_fast_as_its_answer_is(make, post, clock):
    part = b"x" * 65536
    sent = 0

    def answer(request):
        async def note():
            nonlocal sent
            sent += 1

        head, chunk, end = chunked_response(part)
        return [head, *([chunk, note] * 400), end]

    async with ScriptedServer(answer) as server:
        transport = make()
        reply = await transport.handle_async_request(post(server.url))
        await trio.sleep(5)  # the server is stuck long before its 25 MiB are out
        assert sent < 400
        total = 0
        async for piece in reply.stream:
            assert len(piece) <= 65536
            total += len(piece)
        assert total == 400 * len(part)
        await transport.aclose()


async def test_head_has_an_answer_without_a_body(make, call):
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"
    async with ScriptedServer([[head], [OK]]) as server:
        transport = make()
        request = httpx.Request("HEAD", server.url)
        assert await call(transport, request) == (200, b"")
        assert await call(transport, httpx.Request("GET", server.url)) == (200, b"ok")
        await transport.aclose()


async def test_interim_answers_are_skipped(make, post, call):
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    async with ScriptedServer([[hints, OK], [hints + OK]]) as server:
        transport = make()
        for _ in range(2):
            assert await call(transport, post(server.url)) == (200, b"ok")
        await transport.aclose()


async def test_a_redirect_is_an_answer_and_is_not_followed(make, post, call):
    moved = response(status=307, headers=((b"location", b"http://169.254.169.254/latest"),))
    async with ScriptedServer([[moved]]) as server:
        transport = make()
        assert await call(transport, post(server.url)) == (307, b"")
        await transport.aclose()


async def test_the_transport_serves_an_httpx_client(make):
    async with (
        ScriptedServer([[OK], chunked_response(b"data: 1\n\n")]) as server,
        httpx.AsyncClient(transport=make()) as client,
    ):
        assert (await client.post(server.url, json={"a": 1})).text == "ok"
        async with client.stream("GET", server.url) as answer:
            assert [line async for line in answer.aiter_lines()] == ["data: 1", ""]


async def test_a_body_that_ends_with_the_connection_is_whole(make, post, call):
    async with ScriptedServer([[b"HTTP/1.1 200 OK\r\n\r\nhello", Action.CLOSE], [OK]]) as server:
        transport = make()
        assert await call(transport, post(server.url)) == (200, b"hello")
        assert await call(transport, post(server.url)) == (200, b"ok")
        assert server.accepted == 2
        await transport.aclose()


@pytest.mark.parametrize("url", ["ftp://example.com/", "http://example.com/", "unix:///x", "/relative"])
async def test_what_is_not_https_is_not_supported(make, post, url):
    transport = make(private=False)
    with pytest.raises(httpx.UnsupportedProtocol, match="use https") as caught:
        await transport.handle_async_request(post(url))
    assert caught.value.sent is False


async def test_many_origins_are_not_remembered_for_ever(make, post):
    transport = make()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        for index in range(600):
            with pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(
                    post(f"http://127.0.{index // 250}.{index % 250 + 1}:{free.getsockname()[1]}")
                )
    assert len(transport._pools) <= 256


async def test_a_transport_is_made_outside_of_a_loop_and_serves_several():
    transport = make_transport(Upstream(private=True, trust_env=False))
    assert isinstance(transport, httpx.AsyncBaseTransport)


async def test_pauses_do_not_matter(make, post, call, clock):
    async with ScriptedServer([[HEAD, Pause(200), CHUNK, Pause(200), CHUNK, Pause(200), END]]) as server:
        transport = make()
        assert await call(transport, post(server.url)) == (200, b"data: 1\n\ndata: 1\n\n")
        await transport.aclose()
