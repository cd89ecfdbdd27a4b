"""Lines of a descriptor, and leaving one that says nothing."""

from __future__ import annotations

import os

import pytest
import trio

from aexl_pipelines.serving.reading import LineReader


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


async def lines(reader):
    return [line async for line in every(reader)]


async def every(reader):
    while (line := await reader.next()) is not None:
        yield line


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"one\ntwo\n", [b"one\n", b"two\n"]),
        (b"one\ntwo", [b"one\n", b"two"]),
        (b"\n\n", [b"\n", b"\n"]),
        (b"12345678\nx\n", [b"12345678\n", b"x\n"]),
        (b"123456789\nx\n", [b"123456789", b"\n", b"x\n"]),
        (b"x" * 20, [b"x" * 9, b"x" * 9, b"x" * 2]),
    ],
)
async def test_lines_come_whole_up_to_the_limit(pipe, data, expected):
    reading, writing = pipe
    os.write(writing, data)
    os.close(writing)
    assert await lines(LineReader(reading, 8)) == expected


async def test_a_line_that_comes_in_pieces_is_one_line(pipe):
    reading, writing = pipe
    reader = LineReader(reading, 100)
    found = []

    async def read():
        found.append(await reader.next())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for piece in (b"a", b"b", b"c\n"):
            os.write(writing, piece)
            await trio.lowlevel.checkpoint()
    assert found == [b"abc\n"]


async def test_reading_what_never_comes_can_be_cancelled(pipe):
    reading, writing = pipe
    with trio.move_on_after(0.05) as scope:
        await LineReader(reading, 8).next()
    assert scope.cancelled_caught
    os.write(writing, b"x")  # lets the thread that was left behind go
