import math

import httpx
import pytest
import trio
import trio.testing

from aexl.core.http.upstream.pool import KEEP_COUNT, KEEP_SECONDS, Pool


class FakeWire:
    def __init__(self):
        self.wrote = False
        self.open = True
        self.quiet = True

    def is_quiet(self):
        return self.open and self.quiet

    def close(self):
        self.open = False


class Dialer:
    def __init__(self):
        self.wires = []
        self.problem = None
        self.seconds = 0

    async def __call__(self, until):
        await trio.sleep(self.seconds)
        if self.problem is not None:
            raise self.problem
        self.wires.append(FakeWire())
        return self.wires[-1]

    @property
    def open(self):
        return sum(wire.open for wire in self.wires)


@pytest.fixture
def dialer():
    return Dialer()


async def test_the_warmest_connection_is_used_first(dialer):
    pool = Pool(dialer, 10)
    taken = [await pool.acquire(math.inf) for _ in range(3)]
    for connection in taken:
        pool.release(connection)
    assert await pool.acquire(math.inf) is taken[2]
    assert await pool.acquire(math.inf) is taken[1]
    assert len(dialer.wires) == 3


async def test_no_more_connections_than_the_limit_and_none_fewer(dialer):
    dialer.seconds = 0.01
    pool = Pool(dialer, 5)
    running = most = 0

    async def use():
        nonlocal running, most
        for _ in range(20):
            connection = await pool.acquire(math.inf)
            running += 1
            most = max(most, running)
            await trio.lowlevel.checkpoint()
            running -= 1
            pool.release(connection)

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(use)
    assert most == 5
    assert len(dialer.wires) == 5


async def test_who_came_first_is_served_first_and_newcomers_do_not_pass(autojump_clock, dialer):
    pool = Pool(dialer, 1)
    order = []

    async def use(number):
        await trio.sleep(number)
        connection = await pool.acquire(math.inf)
        order.append(number)
        await trio.sleep(10)
        if number % 2:
            pool.release(connection)
        else:
            pool.discard(connection)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(use, number)
    assert order == list(range(8))
    assert not pool._queue


async def test_a_place_is_given_on_by_who_leaves_the_queue(autojump_clock, dialer):
    pool = Pool(dialer, 1)
    held = await pool.acquire(math.inf)
    async with trio.open_nursery() as nursery:
        scopes = []

        async def use():
            with trio.CancelScope() as scope:
                scopes.append(scope)
                pool.release(await pool.acquire(math.inf))

        for _ in range(5):
            nursery.start_soon(use)
        await trio.testing.wait_all_tasks_blocked()
        scopes[0].cancel()
        scopes[3].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert len(pool._queue) == 3
        pool.release(held)
    assert await pool.acquire(0) is held


async def test_cancelling_whom_a_connection_was_given_loses_nothing(dialer):
    pool = Pool(dialer, 1)
    held = await pool.acquire(math.inf)
    got = []
    async with trio.open_nursery() as nursery:

        async def use():
            got.append(await pool.acquire(math.inf))
            pool.release(got[0])

        nursery.start_soon(use)
        await trio.testing.wait_all_tasks_blocked()
        pool.release(held)
        nursery.cancel_scope.cancel()  # in the same step of the loop
    assert got == [held]
    assert await pool.acquire(0) is held


async def test_a_failed_or_cancelled_connect_gives_its_place_on(autojump_clock, dialer):
    pool = Pool(dialer, 1)
    dialer.seconds = 5
    dialer.problem = httpx.ConnectError("refused")
    async with trio.open_nursery() as nursery:

        async def fails():
            with pytest.raises(httpx.ConnectError, match="refused"):
                await pool.acquire(math.inf)

        nursery.start_soon(fails)
        nursery.start_soon(fails)
    assert pool.is_empty
    dialer.problem = None
    with trio.move_on_after(1):
        await pool.acquire(math.inf)
    assert pool.is_empty
    await pool.acquire(math.inf)


@pytest.mark.parametrize(("seconds", "kept"), [(KEEP_SECONDS, True), (KEEP_SECONDS + 0.001, False)])
async def test_an_idle_connection_is_kept_for_so_long(autojump_clock, dialer, seconds, kept):
    pool = Pool(dialer, 2)
    first = await pool.acquire(math.inf)
    pool.release(first)
    await trio.sleep(seconds)
    assert (await pool.acquire(math.inf) is first) is kept
    assert dialer.open == 1


async def test_old_connections_are_closed_while_warm_ones_are_used(autojump_clock, dialer):
    pool = Pool(dialer, 10)
    for connection in [await pool.acquire(math.inf) for _ in range(10)]:
        pool.release(connection)
    for _ in range(20):
        await trio.sleep(10)
        pool.release(await pool.acquire(math.inf))
    assert dialer.open == 1


async def test_only_so_many_idle_connections_are_kept(dialer):
    pool = Pool(dialer, 1000)
    for connection in [await pool.acquire(math.inf) for _ in range(KEEP_COUNT + 50)]:
        pool.release(connection)
    assert dialer.open == KEEP_COUNT


async def test_a_stale_connection_is_closed_and_its_place_is_free(dialer):
    pool = Pool(dialer, 2)
    both = [await pool.acquire(math.inf) for _ in range(2)]
    for connection in both:
        pool.release(connection)
    dialer.wires[1].quiet = False
    assert await pool.acquire(math.inf) is both[0]
    assert not dialer.wires[1].open
    await pool.acquire(0)
    assert len(dialer.wires) == 3


async def test_a_connection_that_is_stale_when_it_is_handed_over_is_replaced(dialer):
    pool = Pool(dialer, 1)
    held = await pool.acquire(math.inf)
    async with trio.open_nursery() as nursery:

        async def use():
            assert await pool.acquire(math.inf) is not held

        nursery.start_soon(use)
        await trio.testing.wait_all_tasks_blocked()
        dialer.wires[0].quiet = False
        pool.release(held)
    assert dialer.open == 1


async def test_a_closed_pool_closes_what_is_given_back_or_was_being_opened(autojump_clock, dialer):
    pool = Pool(dialer, 3)
    held = await pool.acquire(math.inf)
    dialer.seconds = 5
    async with trio.open_nursery() as nursery:

        async def use():
            with pytest.raises(httpx.ConnectError, match="closed"):
                await pool.acquire(math.inf)

        nursery.start_soon(use)
        await trio.sleep(1)
        pool.close()
    pool.release(held)
    assert dialer.open == 0
    assert pool.is_empty
