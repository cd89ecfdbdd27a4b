"""Answers that are looked for before they are waited for."""

from __future__ import annotations

import socket

import pytest
import trio

from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.eagerness import LONGEST, Eagerness
from aexl.core.http.upstream.wire import Broken, PlainWire


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    one.setblocking(False)
    yield one, other
    one.close()
    other.close()


def pauses(eagerness: Eagerness) -> int:
    """Return how many reads are not tried before the next one that is."""
    number = 0
    while not eagerness.wants():
        number += 1
    return number


def test_tries_that_fail_become_rare_and_those_that_succeed_frequent_again():
    eagerness = Eagerness()
    seen = []
    for _ in range(8):
        seen.append(pauses(eagerness))
        eagerness.fail()
    assert seen == [0, 1, 3, 7, 15, 31, LONGEST, LONGEST]
    assert pauses(eagerness) == LONGEST
    seen = []
    for _ in range(7):
        eagerness.succeed()
        seen.append(pauses(eagerness))
    assert seen == [31, 15, 7, 3, 1, 0, 0]


async def test_what_has_come_is_read_at_once_and_what_comes_later_is_waited_for(ends):
    one, other = ends
    wire = PlainWire(one, Deadlines())
    other.send(b"one")
    assert await wire.receive(trio.current_time() + 60) == b"one"
    read = []

    async def later():
        read.append(await wire.receive(trio.current_time() + 60))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        await trio.testing.wait_all_tasks_blocked()
        other.send(b"two")
    assert read == [b"two"]
    other.close()
    assert await wire.receive(trio.current_time() + 60) == b""


async def test_a_read_that_is_tried_can_be_cancelled_and_loses_nothing(ends):
    one, other = ends
    wire = PlainWire(one, Deadlines())
    other.send(b"here")
    with trio.CancelScope() as scope:
        scope.cancel()
        await wire.receive(trio.current_time() + 60)
    assert scope.cancelled_caught
    assert await wire.receive(trio.current_time() + 60) == b"here"


async def test_a_connection_that_is_closed_while_its_read_is_tried_says_so(ends):
    wire = PlainWire(ends[0], Deadlines())
    began = trio.Event()

    async def close():
        await began.wait()
        wire.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(close)
        began.set()
        with pytest.raises(Broken, match="closed by this side"):
            await wire.receive(trio.current_time() + 60)


async def test_a_reset_that_is_found_by_a_try_is_a_broken_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.setblocking(False)
    served.close()
    wire = PlainWire(client, Deadlines())
    with pytest.raises(Broken, match="reset"):
        await wire.receive(trio.current_time() + 60)
    wire.close()
