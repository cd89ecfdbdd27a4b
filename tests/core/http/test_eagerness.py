"""Reads that are tried before they are waited for."""

from __future__ import annotations

import socket

import pytest
import trio

from aexl.core.http.eagerness import LONGEST, Eagerness
from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.wire import Broken, PlainWire
from aexl.core.http.wire import ClientGone, SocketWire


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    one.setblocking(False)
    yield one, other
    one.close()
    other.close()


def server_wire(one: socket.socket) -> SocketWire:
    return SocketWire(trio.SocketStream(trio.socket.from_stdlib_socket(one)), write_idle=1)


def pauses(eagerness: Eagerness) -> int:
    """Return how many reads are not tried before the next one that is."""
    number = 0
    while not eagerness.wants():
        number += 1
    return number


def test_tries_that_fail_become_rare_and_one_that_succeeds_makes_them_frequent():
    eagerness = Eagerness()
    seen = []
    for _ in range(8):
        seen.append(pauses(eagerness))
        eagerness.fail()
    assert seen == [0, 1, 3, 7, 15, 31, LONGEST, LONGEST]
    assert pauses(eagerness) == LONGEST
    eagerness.succeed()
    assert [pauses(eagerness), pauses(eagerness)] == [0, 0]


async def test_what_has_come_is_read_at_once_and_what_comes_later_is_waited_for(ends):
    one, other = ends
    wire = server_wire(one)
    other.send(b"one")
    assert await wire.read() == b"one"
    async with trio.open_nursery() as nursery:
        read = []

        async def later():
            read.append(await wire.read())

        nursery.start_soon(later)
        await trio.testing.wait_all_tasks_blocked()
        other.send(b"two")
    assert read == [b"two"]
    other.close()
    assert await wire.read() == b""
    await wire.close()


@pytest.mark.parametrize("passes", [0, 1, 2, 3])
async def test_an_interrupt_is_heard_wherever_the_read_is(ends, passes):
    wire = server_wire(ends[0])
    async with trio.open_nursery() as nursery:
        began, read = trio.Event(), []

        async def reads():
            began.set()
            read.append(await wire.read())

        nursery.start_soon(reads)
        await began.wait()  # it tries, in this pass of the loop
        for _ in range(passes):
            await trio.lowlevel.checkpoint()
        wire.interrupt()
        with trio.move_on_after(5) as scope:
            while not read:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert read == [None]
    assert not scope.cancelled_caught
    await wire.close()


async def test_an_interrupt_between_two_reads_ends_neither(ends):
    one, other = ends
    wire = server_wire(one)
    wire.interrupt()
    other.send(b"here")
    assert await wire.read() == b"here"
    await wire.close()


async def test_a_read_that_is_tried_can_be_cancelled(ends):
    one, other = ends
    wire = server_wire(one)
    other.send(b"here")
    with trio.CancelScope() as scope:
        scope.cancel()
        await wire.read()
    assert scope.cancelled_caught
    assert await wire.read() == b"here"
    await wire.close()


async def test_a_connection_that_this_side_has_closed_says_so(ends):
    upstream = PlainWire(ends[0], Deadlines())
    upstream.close()
    with pytest.raises(Broken, match="closed by this side"):
        await upstream.receive(trio.current_time() + 5)


async def test_a_reset_is_the_clients_going():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    served.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    wire = server_wire(served)
    with pytest.raises(ClientGone, match="reset"):
        await wire.read()
    await wire.close()
