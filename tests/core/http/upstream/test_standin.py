import httpx
import pytest
import trio

from aexl.testing.upstream import Action, Pause, ScriptedServer, chunked_response, response

URL = "http://api.test:8000/v1/x?a=b"


@pytest.fixture
def proxied(make):
    """Makes transports that go through a proxy."""

    def proxied(server, **options):
        return make(environ={"http_proxy": server.url, "https_proxy": server.url}, **options)

    return proxied


async def test_http_goes_through_the_proxy_of_the_environment(proxied, post, call):
    async with ScriptedServer([[response(b"ok")], chunked_response(b"a", b"b")]) as proxy:
        transport = proxied(proxy)
        assert await call(transport, post(URL)) == (200, b"ok")
        assert await call(transport, post(URL, headers={"X-A": "1"})) == (200, b"ab")
        assert [received.target for received in proxy.requests] == [URL.encode()] * 2
        assert [received.body for received in proxy.requests] == [b"{}"] * 2
        assert proxy.requests[1].header(b"x-a") == b"1"
        assert proxy.requests[0].header(b"host") == b"api.test:8000"
        await transport.aclose()


async def test_headers_come_back_as_ours_do(proxied, post):
    async with ScriptedServer([[response(b"ok", headers=((b"X-B", b"1"), (b"X-B", b"2")))]]) as proxy:
        transport = proxied(proxy)
        answer = await transport.handle_async_request(post(URL))
        assert answer.headers.raw == [(b"x-b", b"1"), (b"x-b", b"2"), (b"content-length", b"2")]
        await answer.aclose()
        await transport.aclose()


async def test_an_exchange_goes_through_a_proxy_as_well(proxied):
    async with ScriptedServer([[response(b"ok", headers=((b"X-B", b"1"),))]]) as proxy:
        transport = proxied(proxy)
        answer = await transport.exchange("POST", httpx.URL(URL), [(b"x-a", b"1")], b"{}")
        assert answer[:2] == (200, [(b"x-b", b"1"), (b"content-length", b"2")])
        assert [piece async for piece in answer.stream] == [b"ok"]
        await transport.aclose()
        [received] = proxy.requests
        assert received.body == b"{}"
        assert (b"x-a", b"1") in list(received.headers)


async def test_the_environment_counts_only_where_it_is_trusted(make, post, call):
    async with ScriptedServer([]) as proxy, ScriptedServer([[response(b"ok")]]) as server:
        from aexl.core.http.upstream.resolve import resolve

        async def resolver(host, port):
            return await resolve("127.0.0.1", server.port)

        transport = make(environ={"http_proxy": proxy.url}, trust_env=False, resolver=resolver)
        assert await call(transport, post(URL)) == (200, b"ok")
        assert proxy.accepted == 0
        await transport.aclose()


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[fd00::1]", "[::ffff:10.0.0.1]"])
async def test_a_proxy_is_not_asked_for_inner_addresses(proxied, post, host):
    async with ScriptedServer([]) as proxy:
        transport = proxied(proxy, private=False)
        with pytest.raises(httpx.ConnectError, match="not a public address") as caught:
            await transport.handle_async_request(post(f"https://{host}/"))
        assert caught.value.sent is False
        assert proxy.accepted == 0
        await transport.aclose()


async def test_http2_refuses_inner_addresses_too(make, post):
    async def inside(host, port):
        from aexl.core.http.upstream.resolve import resolve

        return await resolve("127.0.0.1", port)

    transport = make(http2=True, private=False, resolver=inside)
    with pytest.raises(httpx.ConnectError, match="not a public address"):
        await transport.handle_async_request(post("https://api.test/"))
    await transport.aclose()


async def test_a_proxy_that_is_not_there_was_not_paid(make, post):
    transport = make(environ={"http_proxy": "http://127.0.0.1:1"})
    with pytest.raises(httpx.ConnectError) as caught:
        await transport.handle_async_request(post(URL))
    assert caught.value.sent is False
    await transport.aclose()


async def test_the_first_byte_must_come_in_time_through_a_proxy(proxied, post, clock):
    async with ScriptedServer([[Action.HANG]]) as proxy:
        transport = proxied(proxy, connect=1, first_byte=5)
        with pytest.raises(httpx.ReadTimeout) as caught:
            await transport.handle_async_request(post(URL))
        assert getattr(caught.value, "sent", True) is True
        assert trio.current_time() >= 5
        await transport.aclose()


async def test_each_piece_must_come_in_time_through_a_proxy(proxied, post, collect, clock):
    head, chunk, end = chunked_response(b"data")
    async with ScriptedServer([[head, chunk, Pause(4), chunk, Pause(6), end]]) as proxy:
        transport = proxied(proxy, idle=5)
        answer = await transport.handle_async_request(post(URL))
        received = []
        with pytest.raises(httpx.ReadTimeout):
            await collect(answer, received)
        assert received == [b"data", b"data"]
        await answer.aclose()
        await transport.aclose()
