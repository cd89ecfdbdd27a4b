"""Every timeout at its edge: just in time is in time, a moment later is not."""

import math

import httpx
import pytest
import trio
import trio.testing

from aexl.api import Upstream
from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.exchange import Exchange
from aexl.core.http.upstream.pool import Pool
from aexl.core.http.upstream.wire import StreamWire
from aexl.testing.upstream import Action, Pause, ScriptedServer, chunked_response, response

HEAD, CHUNK, END = chunked_response(b"data: 1\n\n")
MOMENT = 0.01


@pytest.mark.parametrize(("pause", "in_time"), [(10 - MOMENT, True), (10 + MOMENT, False)])
async def test_the_first_byte_must_come_in_time(make, post, call, clock, pause, in_time):
    async with ScriptedServer([[Pause(pause), response(b"ok")]]) as server:
        transport = make(first_byte=10)
        if in_time:
            assert await call(transport, post(server.url)) == (200, b"ok")
        else:
            with pytest.raises(httpx.ReadTimeout, match="no answer within 10 seconds") as caught:
                await call(transport, post(server.url))
            assert caught.value.sent is True
            assert trio.current_time() == pytest.approx(10, abs=MOMENT / 2)
            await server.wait_open(0)
        await transport.aclose()


async def test_a_head_that_trickles_does_not_win_time(make, post, call, clock):
    steps = [step for byte in b"HTTP/1.1 200 OK\r\n" for step in (bytes([byte]), Pause(1))]
    async with ScriptedServer([steps]) as server:
        transport = make(first_byte=10)
        with pytest.raises(httpx.ReadTimeout):
            await call(transport, post(server.url))
        await transport.aclose()


@pytest.mark.parametrize(("pause", "in_time"), [(10 - MOMENT, True), (10 + MOMENT, False)])
async def test_each_piece_must_come_in_time(make, post, collect, clock, pause, in_time):
    async with ScriptedServer([[HEAD, CHUNK, Pause(9), CHUNK, Pause(pause), CHUNK, END]]) as server:
        transport = make(idle=10, first_byte=600)
        answer = await transport.handle_async_request(post(server.url))
        received = []
        if in_time:
            received = [piece async for piece in answer.stream]
        else:
            with pytest.raises(httpx.ReadTimeout, match="nothing more came within 10 seconds") as caught:
                await collect(answer, received)
            assert caught.value.sent is True
            await server.wait_open(0)
        assert b"".join(received) == b"data: 1\n\n" * (3 if in_time else 2)
        await transport.aclose()


@pytest.mark.parametrize(("total", "in_time"), [(30 + MOMENT, True), (30 - MOMENT, False)])
async def test_the_whole_exchange_must_end_in_time(make, post, call, clock, total, in_time):
    steps = [HEAD, *([CHUNK, Pause(5)] * 6), END]
    async with ScriptedServer([steps]) as server:
        transport = make(idle=10, total=total)
        if in_time:
            assert await call(transport, post(server.url)) == (200, b"data: 1\n\n" * 6)
        else:
            with pytest.raises(httpx.ReadTimeout, match="whole exchange"):
                await call(transport, post(server.url))
        await transport.aclose()


async def test_the_total_holds_for_a_stream_that_always_has_more(make, post, clock):
    async with ScriptedServer([chunked_response(*[b"x" * 65536] * 100)]) as server:
        transport = make(total=10)
        answer = await transport.handle_async_request(post(server.url))
        pieces = aiter(answer.stream)
        for _ in range(10):
            await anext(pieces)
            await trio.sleep(1)
        with pytest.raises(httpx.ReadTimeout, match="whole exchange"):
            await anext(pieces)
        await transport.aclose()


async def test_a_reader_that_takes_its_time_is_not_the_upstreams_fault(make, post, clock):
    async with ScriptedServer([[HEAD, CHUNK, Pause(1), CHUNK, END]]) as server:
        transport = make(idle=2)
        answer = await transport.handle_async_request(post(server.url))
        pieces = []
        async for piece in answer.stream:
            pieces.append(piece)
            await trio.sleep(100)
        assert b"".join(pieces) == b"data: 1\n\n" * 2
        await transport.aclose()


async def test_an_upstream_that_does_not_take_the_request_is_given_up(make, post, clock):
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, lambda stream: trio.sleep_forever(), [listener])
        transport = make(idle=10)
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        with pytest.raises(httpx.WriteTimeout) as caught:
            await transport.handle_async_request(post(url, b"x" * 50_000_000))
        assert caught.value.sent is True
        assert trio.current_time() == pytest.approx(10, abs=1)
        await transport.aclose()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("connect", "in_time"), [(5 + MOMENT, True), (5 - MOMENT, False)])
async def test_connecting_must_end_in_time(make, post, call, clock, connect, in_time):
    async with ScriptedServer([[response(b"ok")]]) as server:

        async def slow(host, port):
            from aexl.core.http.upstream.resolve import resolve

            await trio.sleep(5)
            return await resolve("127.0.0.1", server.port)

        transport = make(connect=connect, resolver=slow)
        if in_time:
            assert await call(transport, post("http://api.test")) == (200, b"ok")
        else:
            with pytest.raises(httpx.ConnectTimeout) as caught:
                await call(transport, post("http://api.test"))
            assert caught.value.sent is False
        await transport.aclose()


@pytest.mark.parametrize(("free_at", "in_time"), [(20 - MOMENT, True), (20 + MOMENT, False)])
async def test_the_queue_for_a_connection_ends_in_time(make, post, call, clock, free_at, in_time):
    async with ScriptedServer([[response(b"ok")]]) as server, trio.open_nursery() as nursery:
        transport = make(connections=1, total=20)
        request = post(server.url)
        pool = transport._remember((request.url.raw_scheme, request.url.raw_host, request.url.port))
        held = await pool.acquire(math.inf)

        async def free():
            await trio.sleep(free_at)
            pool.release(held)

        nursery.start_soon(free)
        if in_time:
            assert await call(transport, request) == (200, b"ok")
        else:
            with pytest.raises(httpx.PoolTimeout) as caught:
                await call(transport, request)
            assert caught.value.sent is False
    await transport.aclose()


def memory_pool():
    ours, theirs = trio.testing.memory_stream_pair()

    async def dial(until):
        return StreamWire(ours, lambda: (ours.send_stream.close(), ours.receive_stream.close()))

    return Pool(dial, 1), theirs


@pytest.mark.parametrize(("pause", "in_time"), [(10, True), (10 + 1e-6, False)])
async def test_streams_without_a_socket_have_the_same_edges(autojump_clock, pause, in_time):
    pool, theirs = memory_pool()
    upstream = Upstream(first_byte=60, idle=10)
    async with trio.open_nursery() as nursery:

        async def answer():
            await trio.sleep(60 - 1e-6)
            await theirs.send_all(HEAD + CHUNK)
            await trio.sleep(pause - 1e-6)
            await theirs.send_all(END)

        nursery.start_soon(answer)
        reply = await Exchange(pool, upstream).run(b"POST / HTTP/1.1\r\n\r\n", None, bodyless=False)
        pieces = aiter(reply.stream)
        assert await anext(pieces) == b"data: 1\n\n"
        with pytest.raises(StopAsyncIteration if in_time else httpx.ReadTimeout):
            await anext(pieces)
        assert pool.is_empty is not in_time
        nursery.cancel_scope.cancel()


class Waiter:
    def __init__(self):
        self.expired_at = None

    def expire(self):
        self.expired_at = trio.current_time()


async def test_deadlines_come_in_any_order_and_only_to_who_still_waits(autojump_clock):
    deadlines = Deadlines()
    late, early, gone, never = Waiter(), Waiter(), Waiter(), Waiter()
    deadlines.arm(late, 30)
    deadlines.arm(early, 10)
    deadlines.arm(gone, 20)
    deadlines.arm(never, math.inf)
    deadlines.waiting.pop(gone)
    await trio.sleep(100)
    assert [waiter.expired_at for waiter in (early, late, gone, never)] == [10, 30, None, None]
    deadlines.arm(early, 105)
    await trio.sleep(10)
    assert early.expired_at == 105


async def test_a_wait_that_is_renewed_expires_at_its_last_deadline(autojump_clock):
    deadlines, waiter = Deadlines(), Waiter()
    for second in range(50):
        deadlines.arm(waiter, second + 10)
        await trio.sleep(1)
        assert waiter.expired_at is None
    await trio.sleep(100)
    assert waiter.expired_at == 59


async def test_no_task_is_left_when_nothing_waits(autojump_clock):
    deadlines = Deadlines()
    before = trio.lowlevel.current_statistics().tasks_living
    deadlines.arm(Waiter(), 5)
    assert trio.lowlevel.current_statistics().tasks_living == before + 1
    await trio.sleep(10)
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_a_task_that_watches_serves_until_it_is_cancelled(autojump_clock):
    deadlines, one, other = Deadlines(), Waiter(), Waiter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deadlines.watch)
        await trio.testing.wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        deadlines.arm(one, 5)
        await trio.sleep(10)
        deadlines.arm(other, 15)
        await trio.sleep(10)
        assert trio.lowlevel.current_statistics().tasks_living == before
        nursery.cancel_scope.cancel()
    assert (one.expired_at, other.expired_at) == (5, 15)


async def test_a_hang_does_not_hold_up_others(make, post, call, clock):
    async with ScriptedServer(
        lambda request: [Action.HANG] if request.body == b"hang" else [Pause(1), response(b"ok")]
    ) as server:
        transport = make(first_byte=30)
        async with trio.open_nursery() as nursery:

            async def hangs():
                with pytest.raises(httpx.ReadTimeout):
                    await call(transport, post(server.url, b"hang"))
                assert trio.current_time() == pytest.approx(30, abs=MOMENT)

            nursery.start_soon(hangs)
            for _ in range(10):
                assert await call(transport, post(server.url)) == (200, b"ok")
        await transport.aclose()
