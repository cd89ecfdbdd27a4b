from contextlib import asynccontextmanager

import pytest
import trio

from aexl.testing.upstream import Action, Pause, ScriptedServer, chunked_response, response

REQUEST = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def asked(server):
    """A connection over which one request has gone out."""
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        await stream.send_all(REQUEST)
        yield stream


async def read(stream, until=None):
    data = b""
    while until is None or not data.endswith(until):
        piece = await stream.receive_some()
        if not piece:
            break
        data += piece
    return data


async def test_requests_are_answered_in_order_and_remembered():
    async with ScriptedServer([[response(b"one")], [response(b"two"), Action.CLOSE]]) as server:
        async with asked(server) as stream:
            assert (await read(stream, b"one")).startswith(b"HTTP/1.1 200 ")
            await stream.send_all(REQUEST)
            assert (await read(stream)).endswith(b"two")
            await server.wait_open(0)
        first, second = server.requests
        assert (first.method, first.target, first.body, first.header(b"x-a")) == (b"POST", b"/v1/x", b"hi", b"1")
        assert first.header(b"missing") is None
        assert second.connection == 0


async def test_a_function_sees_each_request():
    async with ScriptedServer(lambda request: [response(request.body), Action.CLOSE]) as server:
        for _ in range(3):
            async with asked(server) as stream:
                assert (await read(stream)).endswith(b"hi")
        assert [received.connection for received in server.requests] == [0, 1, 2]


async def test_a_request_beyond_the_script_fails_the_test():
    async def unscripted():
        async with ScriptedServer([]) as server, asked(server) as stream:
            await read(stream)

    with pytest.raises(AssertionError, match="no answer for request 1"):
        await unscripted()


async def test_a_reset_is_a_reset():
    async with ScriptedServer([[b"HTTP", Action.RESET]]) as server, asked(server) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await read(stream)


async def test_half_a_close_leaves_the_other_half():
    async with ScriptedServer([[b"x", Action.FINISH, Action.HANG]]) as server:
        async with asked(server) as stream:
            assert await read(stream) == b"x"
            await server.wait_open(1)
        await server.wait_open(0)


async def test_steps_wait_for_time_and_events(autojump_clock):
    autojump_clock.autojump_threshold = 0.02
    gate = trio.Event()
    async with ScriptedServer([[Pause(5), b"a", gate.wait, b"b", Action.CLOSE]]) as server, asked(server) as stream:
        assert await read(stream, b"a") == b"a"
        assert trio.current_time() >= 5
        gate.set()
        assert await read(stream) == b"b"


def test_chunks_are_framed():
    assert b"".join(chunked_response(b"a" * 17, end=False)).endswith(b"\r\n\r\n11\r\n" + b"a" * 17 + b"\r\n")
    assert chunked_response()[-1] == b"0\r\n\r\n"
