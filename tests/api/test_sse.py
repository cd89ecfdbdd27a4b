import json
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aexl.api import sse
from aexl.api.sse import LIMIT, Frame, Framer, TooLong, encode

STREAMS = st.lists(
    st.sampled_from(
        [
            b"\n",
            b"\r",
            b"\r\n",
            b"data",
            b":",
            b" ",
            b"data: x",
            b"event: e",
            b"id",
            b"\xef\xbb\xbf",
            b"\0",
            b"a",
            b"\xff",
        ]
    ),
    max_size=40,
).map(b"".join)


def frames_of(pieces, limit=LIMIT):
    framer = Framer(limit)
    frames = [frame for piece in pieces for frame in framer.feed(piece)]
    return frames + framer.close(), framer.remainder


def said(frame):
    return frame.raw, frame.data, frame.event, frame.id, frame.retry


def cut(data, at):
    at = sorted({min(index, len(data)) for index in at})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


def dispatched(data):
    """What the HTML standard dispatches, written line by line from its text."""
    text = data[3:] if data.startswith(b"\xef\xbb\xbf") else data
    lines = re.split(rb"\r\n|\r|\n", text)[:-1]
    events, buffer, kind = [], b"", b""
    for line in lines:
        if not line:
            if buffer:
                events.append((buffer[:-1], kind.decode("utf-8", "replace") or "message"))
            buffer, kind = b"", b""
            continue
        if line.startswith(b":"):
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            buffer += value + b"\n"
        elif name == b"event":
            kind = value
    return events


@given(STREAMS)
@example(b"\xef\xbb\xbf\r\n\r")
@example(b"data: x\r\n\r")
def test_frames_joined_are_the_stream(data):
    frames, rest = frames_of([data])
    assert b"".join(frame.raw for frame in frames) + rest == data


@given(STREAMS, st.lists(st.integers(0, 120), max_size=12))
@settings(max_examples=150)
def test_any_slicing_gives_the_same_frames(data, at):
    whole, rest = frames_of([data])
    sliced, sliced_rest = frames_of(cut(data, at))
    assert [said(frame) for frame in sliced] == [said(frame) for frame in whole]
    assert sliced_rest == rest


@given(STREAMS, st.lists(st.integers(0, 120), max_size=12))
@settings(max_examples=150)
def test_any_slicing_gives_the_same_frames_also_where_long_frames_are_not_read_again(data, at):
    whole, rest = frames_of([data])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "_SMALL", 0)
        sliced, sliced_rest = frames_of(cut(data, at))
    assert [said(frame) for frame in sliced] == [said(frame) for frame in whole]
    assert sliced_rest == rest


@given(STREAMS)
@settings(max_examples=150)
def test_one_byte_slices_give_the_same_frames(data):
    whole, rest = frames_of([data])
    sliced, sliced_rest = frames_of([data[i : i + 1] for i in range(len(data))])
    assert [said(frame) for frame in sliced] == [said(frame) for frame in whole]
    assert sliced_rest == rest


@given(STREAMS)
@settings(max_examples=150)
def test_events_are_what_the_html_standard_dispatches(data):
    frames, _ = frames_of([data])
    assert [(frame.data, frame.event) for frame in frames if frame.data is not None] == dispatched(data)


@given(STREAMS, st.lists(st.integers(0, 120), max_size=6), st.integers(1, 30))
@settings(max_examples=150)
def test_the_limit_falls_on_the_same_frame_however_the_stream_is_cut(data, at, limit):
    def run(pieces):
        framer, raws = Framer(limit), []
        try:
            for piece in pieces:
                raws += [frame.raw for frame in framer.feed(piece)]
        except TooLong as error:
            return raws + [frame.raw for frame in error.frames], True
        return raws + [frame.raw for frame in framer.close()], False

    assert run(cut(data, at)) == run([data])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_each_kind_of_line_end_is_understood(end):
    lines = [b"event: add", b"data: one", b"data:two", b"id: 7", b"retry: 15", b"", b""]
    frames, rest = frames_of([end.join(lines)])
    assert [said(frame)[1:] for frame in frames] == [(b"one\ntwo", "add", "7", 15)]
    assert rest == b""


def test_a_line_feed_that_follows_in_the_next_piece_belongs_to_its_frame():
    framer = Framer()
    assert framer.feed(b"data: x\r\n\r") == []
    assert [frame.raw for frame in framer.feed(b"\ndata: y")] == [b"data: x\r\n\r\n"]
    assert framer.remainder == b"data: y"


def test_a_bare_carriage_return_at_the_end_is_given_out_by_close():
    framer = Framer()
    assert framer.feed(b"data: x\r\r") == []
    assert [frame.data for frame in framer.close()] == [b"x"]
    assert framer.close() == []


def test_an_event_that_was_cut_off_stays_in_the_remainder():
    framer = Framer()
    framer.feed(b"data: a\n\ndata: b\n")
    assert framer.close() == []
    assert framer.remainder == b"data: b\n"


@pytest.mark.parametrize("pieces", [[b"\xef\xbb\xbfdata: x\n\n"], [b"\xef", b"\xbb", b"\xbf", b"data: x\n\n"]])
def test_a_byte_order_mark_is_kept_raw_and_not_read(pieces):
    frames, _ = frames_of(pieces)
    assert [(frame.raw, frame.data) for frame in frames] == [(b"\xef\xbb\xbfdata: x\n\n", b"x")]


def test_a_byte_order_mark_later_on_is_part_of_a_name():
    frames, _ = frames_of([b"data: a\n\n\xef\xbb\xbfdata: x\n\n"])
    assert [frame.data for frame in frames] == [b"a", None]


def test_comments_and_blank_lines_are_frames_without_data():
    frames, _ = frames_of([b": ping\n\n\ndata: x\n\n"])
    assert [(frame.raw, frame.data) for frame in frames] == [
        (b": ping\n\n", None),
        (b"\n", None),
        (b"data: x\n\n", b"x"),
    ]


@pytest.mark.parametrize(
    ("line", "data"),
    [
        (b"data", b""),
        (b"data:", b""),
        (b"data: ", b""),
        (b"data:  x", b" x"),
        (b"data:x", b"x"),
        (b"data: a:b", b"a:b"),
        (b" data: x", None),
        (b"Data: x", None),
        (b"data : x", None),
        (b"data: a\0b", b"a\0b"),
        (b"data: \xff\xfe", b"\xff\xfe"),
        ("data: \u2028\x0b\x0c\x85".encode(), "\u2028\x0b\x0c\x85".encode()),
    ],
)
def test_a_data_line_is_read_by_the_standard(line, data):
    assert Frame(line + b"\n\n").data == data


def test_an_id_with_nul_is_ignored():
    assert Frame(b"id: 1\nid: a\0b\ndata: x\n\n").id == "1"
    assert Frame(b"id\ndata: x\n\n").id == ""
    assert Frame(b"data: x\n\n").id is None


@pytest.mark.parametrize(
    ("value", "retry"), [(b"0", 0), (b"3000", 3000), (b"-1", None), (b"1.5", None), (b"", None), ("٣".encode(), None)]
)
def test_retry_takes_ascii_digits_only(value, retry):
    assert Frame(b"retry: " + value + b"\n\n").retry == retry


@pytest.mark.parametrize("size", [1, 4096, 1 << 21])
def test_a_frame_of_exactly_the_limit_passes_and_one_byte_more_fails(size):
    fits = b"data: " + b"x" * (LIMIT - 8) + b"\n\n"
    more = b"data: " + b"x" * (LIMIT - 7) + b"\n\n"
    head = 0 if size > 1 else LIMIT - 20  # single bytes only near the edge

    def pieces(data):
        return [data[:head], *[data[i : i + size] for i in range(head, len(data), size)]]

    assert [frame.raw for frame in frames_of(pieces(fits))[0]] == [fits]
    with pytest.raises(TooLong, match=str(LIMIT)):
        frames_of(pieces(more))


def test_what_was_complete_before_a_frame_that_is_too_long_is_not_lost():
    framer = Framer(limit=20)
    with pytest.raises(TooLong) as caught:
        framer.feed(b"data: a\n\ndata: b\n\ndata: " + b"x" * 30)
    assert [frame.data for frame in caught.value.frames] == [b"a", b"b"]
    with pytest.raises(TooLong):
        framer.feed(b"\n\n")


def test_a_line_that_never_ends_is_refused_without_reading_it_again_and_again():
    limit = 1 << 17
    framer = Framer(limit)
    started = time.process_time()
    for _ in range(limit - 1):
        framer.feed(b"x")
    assert time.process_time() - started < 1  # many seconds, if each byte cost a scan
    framer.feed(b"x")
    with pytest.raises(TooLong):
        framer.feed(b"x")


def test_an_event_of_many_lines_in_small_pieces_is_read_once():
    framer = Framer()
    started = time.process_time()
    for _ in range(LIMIT // 8):
        assert framer.feed(b"data: x\n") == []
    assert time.process_time() - started < 3
    assert len(framer.remainder) == LIMIT


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_encoded_is_read_back(text):
    [frame] = frames_of([encode(text, event="note")])[0]
    assert frame.event == "note"
    assert frame.data.decode() == re.sub(r"\r\n|\r", "\n", text)


def test_an_event_without_a_type_is_one_line():
    assert encode("[DONE]") == b"data: [DONE]\n\n"
    assert json.loads(Frame(encode('{"a": 1}')).data) == {"a": 1}
