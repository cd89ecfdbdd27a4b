"""Exchanges that fail, and whether they may have been charged."""

import socket

import httpx
import pytest
import trio

from aexl.testing.upstream import Action, ScriptedServer, chunked_response, response

OK = response(b"ok")
HEAD, CHUNK, END = chunked_response(b"data: 1\n\n")
LONG = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        ([Action.CLOSE], httpx.RemoteProtocolError, "without an answer"),
        ([Action.RESET], httpx.ReadError, "before an answer"),
        ([b"HTTP/1.1 200 OK\r\ncontent-", Action.CLOSE], httpx.RemoteProtocolError, "without an answer"),
        ([b"SSH-2.0-OpenSSH_9\r\n"], httpx.RemoteProtocolError, "malformed"),
        (
            [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"],
            httpx.RemoteProtocolError,
            "101",
        ),
    ],
)
async def test_a_request_without_an_answer_may_have_been_charged(make, post, steps, error, words):
    async with ScriptedServer([steps]) as server:
        transport = make()
        with pytest.raises(error, match=words) as caught:
            await transport.handle_async_request(post(server.url))
        assert caught.value.sent is True
        assert caught.value.request is not None
        await server.wait_open(0)
        await transport.aclose()


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        ([HEAD + CHUNK, Action.CLOSE], httpx.RemoteProtocolError, "before the end"),
        ([HEAD + CHUNK, Action.FINISH, Action.HANG], httpx.RemoteProtocolError, "before the end"),
        ([HEAD + CHUNK + b"5\r\nda", Action.CLOSE], httpx.RemoteProtocolError, "before the end"),
        ([HEAD + CHUNK + END[:-2], Action.CLOSE], httpx.RemoteProtocolError, "before the end"),
        ([HEAD + CHUNK + b"zz\r\n"], httpx.RemoteProtocolError, "malformed"),
        ([LONG + b"data: 1\n\n", Action.CLOSE], httpx.RemoteProtocolError, "before the end"),
    ],
)
async def test_a_cut_body_is_given_out_and_then_raises(make, post, collect, steps, error, words):
    async with ScriptedServer([steps]) as server:
        transport = make()
        answer = await transport.handle_async_request(post(server.url))
        received = []
        with pytest.raises(error, match=words) as caught:
            await collect(answer, received)
        assert b"".join(received).startswith(b"data: 1\n\n")
        assert caught.value.sent is True
        await server.wait_open(0)
        await transport.aclose()


async def test_a_reset_in_the_middle_raises(make, post):
    gate = trio.Event()
    async with ScriptedServer([[HEAD + CHUNK, gate.wait, Action.RESET]]) as server:
        transport = make()
        answer = await transport.handle_async_request(post(server.url))
        pieces = aiter(answer.stream)
        assert await anext(pieces) == b"data: 1\n\n"
        gate.set()
        with pytest.raises(httpx.ReadError, match="middle"):
            await anext(pieces)
        await transport.aclose()


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"junk"])
async def test_bytes_after_the_end_never_answer_the_next_request(make, post, call, more):
    async with ScriptedServer([[OK + more], [OK], [OK, more], [OK]]) as server:
        transport = make()
        for _ in range(3):
            assert await call(transport, post(server.url)) == (200, b"ok")
        await server.wait_requests(3)
        await trio.testing.wait_all_tasks_blocked()  # now the junk is in the socket of the idle connection
        assert await call(transport, post(server.url)) == (200, b"ok")
        assert server.accepted == 3
        await transport.aclose()


async def test_leaving_an_answer_early_closes_its_connection(make, post, call):
    async with ScriptedServer([[HEAD + CHUNK, Action.HANG], [OK]]) as server:
        transport = make(connections=1)
        answer = await transport.handle_async_request(post(server.url))
        assert await anext(aiter(answer.stream)) == b"data: 1\n\n"
        await answer.stream.aclose()
        await server.wait_open(0)
        assert await call(transport, post(server.url)) == (200, b"ok")
        await transport.aclose()


@pytest.mark.parametrize("steps", [[Action.HANG], [HEAD + CHUNK, Action.HANG], [b"HTTP/1.1 2", Action.HANG]])
async def test_cancellation_closes_the_connection_and_gives_back_its_place(make, post, call, steps):
    async with ScriptedServer([steps, [OK]]) as server:
        transport = make(connections=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, transport, post(server.url))
            await server.wait_requests(1)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await server.wait_open(0)
        assert await call(transport, post(server.url)) == (200, b"ok")
        await transport.aclose()


async def test_closing_the_transport_ends_what_runs(make, post, call):
    async with ScriptedServer([[HEAD + CHUNK, Action.HANG]]) as server:
        transport = make(connections=1)
        answer = await transport.handle_async_request(post(server.url))
        pieces = aiter(answer.stream)
        assert await anext(pieces) == b"data: 1\n\n"
        async with trio.open_nursery() as nursery:

            async def reads():
                with pytest.raises(httpx.ReadError):
                    await anext(pieces)

            async def waits():
                with pytest.raises(httpx.ConnectError, match="closed") as caught:
                    await call(transport, post(server.url))
                assert caught.value.sent is False

            nursery.start_soon(reads)
            nursery.start_soon(waits)
            await trio.testing.wait_all_tasks_blocked()
            await transport.aclose()
        await server.wait_open(0)
        with pytest.raises(httpx.ConnectError, match="closed"):
            await call(transport, post(server.url))
        with pytest.raises(httpx.ConnectError, match="closed"):
            await call(transport, post("http://127.0.0.2:1"))


async def test_an_idle_connection_that_was_closed_is_replaced_before_anything_is_sent(make, post, call):
    async with ScriptedServer([[OK, Action.CLOSE], [OK, Action.RESET], [OK]]) as server:
        transport = make()
        for _ in range(3):
            assert await call(transport, post(server.url)) == (200, b"ok")
            await trio.testing.wait_all_tasks_blocked()
        assert server.accepted == 3
        assert len(server.requests) == 3
        await transport.aclose()


async def test_a_request_that_went_out_on_a_dying_connection_is_not_sent_again(make, post, call):
    async with ScriptedServer([[OK], [Action.CLOSE]]) as server:
        transport = make()
        assert await call(transport, post(server.url)) == (200, b"ok")
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await call(transport, post(server.url))
        assert caught.value.sent is True
        assert len(server.requests) == 2
        await transport.aclose()


async def test_an_idle_connection_that_breaks_before_the_first_byte_is_replaced(make, post, call):
    async with ScriptedServer([[OK], [OK]]) as server:
        transport = make()
        assert await call(transport, post(server.url)) == (200, b"ok")
        [pool] = transport._pools.values()
        wire = pool._idle[0].wire
        wire._socket.shutdown(socket.SHUT_WR)  # so that sending fails, which polling cannot see
        assert await call(transport, post(server.url)) == (200, b"ok")
        assert server.accepted == 2
        await transport.aclose()


async def test_a_refused_connection_was_not_charged(make, post):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        transport = make()
        with pytest.raises(httpx.ConnectError, match="refused") as caught:
            await transport.handle_async_request(post(f"http://127.0.0.1:{free.getsockname()[1]}"))
        assert caught.value.sent is False
        await transport.aclose()


async def test_an_early_answer_counts_though_the_request_was_not_taken(make, post, call):
    async def refuse(stream):
        await stream.receive_some(1000)
        await stream.send_all(response(b"too large", status=413) + b" " * 0)
        await stream.send_eof()
        while True:  # takes a little more, so that the answer is not lost to a reset
            with trio.move_on_after(0.05):
                if not await stream.receive_some(1 << 20):
                    return
                continue
            return

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, refuse, [listener])
        transport = make()
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        assert await call(transport, post(url, b"x" * 1_000_000)) == (413, b"too large")
        await transport.aclose()
        nursery.cancel_scope.cancel()


async def test_a_request_that_breaks_off_half_way_may_have_been_charged(make, post):
    async def reset(stream):
        await stream.receive_some(1000)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.socket.close()

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, reset, [listener])
        transport = make()
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        with pytest.raises((httpx.WriteError, httpx.ReadError)) as caught:
            await transport.handle_async_request(post(url, b"x" * 50_000_000))
        assert caught.value.sent is True
        await transport.aclose()
        nursery.cancel_scope.cancel()
