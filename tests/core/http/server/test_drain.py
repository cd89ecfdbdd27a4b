import contextlib

import h11
import pytest
import trio
import trio.testing

from aexl.core.http.limits import ServerLimits
from aexl.core.http.server import Server

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def slow():
    """An application that begins its answer at once and ends it after as many seconds as the path says."""

    async def app(scope, receive, send) -> None:
        await trio.sleep(float(scope["path"][1:]))
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"done"})

    return app


async def test_idle_connections_are_closed_at_once(serve, echo, autojump_clock) -> None:
    served = await serve(echo)
    fresh, kept = await served.connect(), await served.connect()
    await kept.send(GET)
    await kept.answer()
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()

    served.server.drain()

    await served.running.wait()
    assert trio.current_time() == began
    assert await fresh.is_closed()
    assert await kept.is_closed()
    with pytest.raises(trio.BrokenResourceError):
        await served.connect()


async def test_what_runs_is_finished_and_told_to_close(serve, slow, autojump_clock) -> None:
    served = await serve(slow)
    client = await served.connect()
    await client.send(b"GET /20 HTTP/1.1\r\nHost: a\r\n\r\n")
    await trio.testing.wait_all_tasks_blocked()
    assert served.server.running == 1

    served.server.drain()
    served.server.drain()

    answer = await client.answer()
    assert (answer.body, answer.header(b"connection")) == (b"done", b"close")
    assert await client.is_closed()
    await served.running.wait()
    assert (served.server.running, served.server.connections, served.server.draining) == (0, 0, True)


async def test_what_runs_longer_than_the_grace_is_cut(serve, slow, autojump_clock) -> None:
    served = await serve(slow, grace=5)
    quick, long = await served.connect(), await served.connect()
    await quick.send(b"GET /4.9 HTTP/1.1\r\nHost: a\r\n\r\n")
    await long.send(b"GET /60 HTTP/1.1\r\nHost: a\r\n\r\n")
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()

    served.server.drain()

    assert (await quick.answer()).body == b"done"
    await served.running.wait()
    assert trio.current_time() - began == 5
    assert await long.is_closed()


async def test_a_stream_that_is_cut_by_the_drain_does_not_look_complete(serve, autojump_clock) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        await trio.sleep_forever()

    served = await serve(app, grace=1)
    client = await served.connect()
    await client.send(GET)
    await trio.testing.wait_all_tasks_blocked()
    served.server.drain()
    with pytest.raises(h11.RemoteProtocolError):
        await client.answer()


async def test_a_failure_on_the_way_out_does_not_end_the_server(serve, caplog, autojump_clock) -> None:
    async def app(scope, receive, send) -> None:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def fail() -> None:
                try:
                    await trio.sleep_forever()
                finally:
                    raise LookupError("clean-up")

            await trio.sleep_forever()

    served = await serve(app, grace=1)
    client = await served.connect()
    await client.send(GET)
    await trio.testing.wait_all_tasks_blocked()
    served.server.drain()
    await served.running.wait()
    assert "while it was cancelled" in caplog.text
    assert "clean-up" in caplog.text


async def test_a_request_that_has_begun_to_arrive_is_answered(serve, echo, autojump_clock) -> None:
    served = await serve(echo)
    client = await served.connect()
    await client.send(GET[:9])
    await trio.testing.wait_all_tasks_blocked()
    served.server.drain()
    await trio.sleep(1)
    await client.send(GET[9:])
    answer = await client.answer()
    assert (answer.status, answer.header(b"connection")) == (200, b"close")


async def test_a_drain_before_the_start_makes_run_return(echo) -> None:
    server = Server(echo, limits=ServerLimits(), origins=None)
    server.drain()
    await server.run(await trio.open_tcp_listeners(0, host="127.0.0.1"))


async def test_cancelling_run_cuts_everything(echo) -> None:
    async with trio.open_nursery() as nursery:
        server = Server(echo, limits=ServerLimits(), origins=None)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(server.run, listeners)
        stream = await trio.testing.open_stream_to_socket_listener(listeners[0])
        await stream.send_all(GET[:5])
        while not server.connections:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    with contextlib.suppress(trio.BrokenResourceError):  # bytes that the server had not read make it a reset
        assert await stream.receive_some() == b""
    await stream.aclose()
