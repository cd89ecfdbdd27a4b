"""Exchanges without httpx's objects."""

import httpx
import pytest

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
