"""Clients that leave, at any moment."""

import pytest
import trio
import trio.testing

from aexl.core.http.wire import ClientGone

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


async def test_a_disconnect_is_seen_while_the_application_waits(serve) -> None:
    seen = trio.Event()

    async def app(scope, receive, send) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        seen.set()

    client = await (await serve(app)).connect()
    await client.send(GET)
    await trio.testing.wait_all_tasks_blocked()
    await client.stream.aclose()
    await seen.wait()


async def test_a_disconnect_is_seen_behind_a_pipelined_request(serve, echo) -> None:
    seen = trio.Event()

    async def app(scope, receive, send) -> None:
        await receive()
        await receive()
        seen.set()

    client = await (await serve(app)).connect()
    await client.send(GET)
    await trio.testing.wait_all_tasks_blocked()
    await client.send(GET)
    await trio.testing.wait_all_tasks_blocked()
    await client.stream.aclose()
    await seen.wait()


async def test_receive_ends_when_the_answer_is_complete(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await receive()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def wait() -> None:
                assert (await receive())["type"] == "http.disconnect"

            await trio.testing.wait_all_tasks_blocked()
            await send(start())
            await send(body(b"x"))
        assert (await receive())["type"] == "http.disconnect"

    client = await (await serve(app)).connect()
    for _ in range(2):
        await client.send(GET)
        assert (await client.answer()).body == b"x"


async def test_a_client_that_leaves_within_its_body_is_a_disconnect(serve, start) -> None:
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append(await receive())
        seen.append(await receive())
        with pytest.raises(ClientGone):
            await send(start())
        done.set()

    done = trio.Event()
    client = await (await serve(app)).connect()
    await client.send(POST[:-2])
    await trio.testing.wait_all_tasks_blocked()
    await client.stream.aclose()
    await done.wait()
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]


async def test_sending_to_a_client_that_left_is_an_os_error_and_no_failure(serve, caplog, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start())
        await send(body(b"x", more=True))
        await left.wait()
        with pytest.raises(OSError, match="closed by the client"):
            await send(body(b"x", more=True))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, body(b"x", more=True))

    left = trio.Event()
    served = await serve(app)
    client = await served.connect()
    await client.send(GET)
    await client.stream.receive_some()
    await client.stream.aclose()
    left.set()
    while served.server.connections:
        await trio.testing.wait_all_tasks_blocked()
    assert caplog.records == []


CHUNKED = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


async def test_a_client_that_closed_its_half_gets_its_answer(serve, echo) -> None:
    client = await (await serve(echo)).connect()
    await client.send(CHUNKED)
    await client.stream.send_eof()
    assert (await client.answer()).body == b"PUT / abcde"
    assert await client.is_closed()


@pytest.mark.parametrize("size", range(len(CHUNKED)))
async def test_a_client_may_leave_at_any_byte_of_its_request(serve, echo, caplog, size) -> None:
    served = await serve(echo)
    client = await served.connect()
    await client.send(CHUNKED[:size])
    await client.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert (served.server.connections, served.server.running) == (0, 0)
    assert caplog.records == []


@pytest.mark.parametrize("pieces", range(5))
async def test_a_client_may_leave_at_any_piece_of_its_answer(
    serve, caplog, pieces, autojump_clock, start, body
) -> None:
    async def app(scope, receive, send) -> None:
        await send(start())
        for _ in range(3):
            await send(body(b"x", more=True))
            await trio.sleep(1)
        await send(body())

    served = await serve(app)
    client = await served.connect()
    await client.send(GET)
    for _ in range(pieces):
        await client.stream.receive_some()
    await client.stream.aclose()
    await trio.sleep(5)
    assert served.server.connections == 0
    assert caplog.records == []
