"""The way from a call's task to its reader."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from aexl.core.calls.pipe import CAPACITY, Pipe, Whole


async def drain(pipe):
    return [piece async for piece in pipe]


async def test_pieces_come_out_in_order_and_together_when_they_gathered():
    pipe = Pipe()
    await pipe.send(b"a")
    await pipe.send(b"b")
    pipe.end()

    assert await drain(pipe) == [b"ab"]


async def test_a_reader_waits_for_the_next_piece(autojump_clock):
    pipe = Pipe()

    async def write():
        for piece in (b"1", b"2", b"3"):
            await trio.sleep(1)
            await pipe.send(piece)
        pipe.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        assert await drain(pipe) == [b"1", b"2", b"3"]


async def test_the_error_comes_after_what_arrived():
    pipe = Pipe()
    await pipe.send(b"a")
    pipe.end(ValueError("cut"))

    assert await pipe.receive() == b"a"
    with pytest.raises(ValueError, match="cut"):
        await pipe.receive()


async def test_a_writer_waits_at_the_capacity_and_not_below(autojump_clock):
    pipe = Pipe()
    with trio.fail_after(1):
        await pipe.send(b"x" * (CAPACITY - 1))
    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await pipe.send(b"x")

    assert len(await pipe.receive()) == CAPACITY


async def test_reading_lets_the_writer_go_on(autojump_clock):
    pipe = Pipe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.send, b"x" * CAPACITY)
        await trio.testing.wait_all_tasks_blocked()
        await pipe.receive()


async def test_an_abandoned_pipe_never_holds_its_writer_up(autojump_clock):
    pipe = Pipe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipe.send, b"x" * CAPACITY)
        await trio.testing.wait_all_tasks_blocked()
        pipe.abandon()
    with trio.fail_after(1):
        await pipe.send(b"x" * CAPACITY)


async def test_a_cancelled_reader_leaves_the_pipe_usable():
    pipe = Pipe()
    with trio.CancelScope() as scope:
        scope.cancel()
        await pipe.receive()
    await pipe.send(b"a")

    assert await pipe.receive() == b"a"


async def test_a_whole_body_gives_its_pieces():
    assert await drain(Whole([b"a", b"b"])) == [b"a", b"b"]


async def test_a_whole_body_can_be_asked_for_piece_by_piece():
    whole = Whole([b"a"])
    assert await whole.receive() == b"a"
    with pytest.raises(trio.EndOfChannel):
        await whole.receive()
