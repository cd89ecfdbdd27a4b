"""Lines out of pieces, however they were cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from aexl.core.processes.lines import LineSplitter


def split(data: bytes, cuts: list[int], limit: int) -> list[bytes]:
    splitter = LineSplitter(limit)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    lines = [line for a, b in itertools.pairwise(places) for line in splitter.feed(data[a:b])]
    return lines + splitter.finish()


@given(
    st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and not line.endswith(b"\r"))),
    st.lists(st.integers(0, 1000)),
)
def test_lines_are_the_same_wherever_the_stream_is_cut(lines, cuts):
    assert split(b"".join(line + b"\n" for line in lines), cuts, 1000) == lines


@given(st.binary(max_size=200), st.lists(st.integers(0, 1000)), st.integers(1, 20))
def test_pieces_never_exceed_the_limit_and_lose_no_byte(data, cuts, limit):
    pieces = split(data, cuts, limit)
    assert all(len(piece) <= limit for piece in pieces)
    assert b"".join(pieces).replace(b"\r", b"") == data.replace(b"\n", b"").replace(b"\r", b"")


def test_a_line_of_exactly_the_limit_comes_whole():
    assert split(b"abcd\nefgh", [], 4) == [b"abcd", b"efgh"]


def test_a_carriage_return_goes_with_its_line_feed():
    assert split(b"a\r\nb\rc\n\n", [2], 100) == [b"a", b"b\rc", b""]
