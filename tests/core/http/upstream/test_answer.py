import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.core.http.upstream.answer import HEAD_BYTES, HEAD_COUNT, SILENT_BYTES, AnswerReader


def read(pieces, *, end=False, bodyless=False):
    reader = AnswerReader()
    reader.begin(bodyless=bodyless)
    body = b""
    for piece in pieces:
        if reader.problem is None:
            reader.feed(piece)
            body += reader.take()
    if end:
        reader.end()
    return reader, body


def verdict(reader, body):
    return reader.status, reader.headers, body, reader.complete, reader.reusable, reader.problem is None


ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello",
    "chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;ext=1\r\nhe\r\n3\r\nllo\r\n0\r\ntrailer: x\r\n\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "no reason": b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_framed_answer_is_read_and_its_connection_can_be_used_again(name):
    reader, body = read([ANSWERS[name]])
    assert (reader.status, body, reader.complete, reader.reusable) == (200, b"hello", True, True)


@pytest.mark.parametrize("name", ANSWERS)
@given(at=st.lists(st.integers(0, 120), max_size=8))
def test_any_slicing_reads_the_same(name, at):
    data = ANSWERS[name]
    at = sorted({min(index, len(data)) for index in at})
    pieces = [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
    assert verdict(*read(pieces)) == verdict(*read([data]))


@pytest.mark.parametrize("name", ANSWERS)
def test_one_byte_slices_read_the_same(name):
    data = ANSWERS[name]
    assert verdict(*read([data[i : i + 1] for i in range(len(data))])) == verdict(*read([data]))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_cut_anywhere_is_a_problem(name):
    data = ANSWERS[name]
    for size in range(len(data)):
        reader, _ = read([data[:size]] if size else [], end=True)
        assert reader.problem is not None, data[:size]
        assert not reader.complete


def test_headers_keep_their_order_and_have_names_in_lower_case():
    reader, _ = read([b"HTTP/1.1 200 OK\r\nB: 1\r\nA:  2 \r\nb: 3\r\nempty:\r\ncontent-length: 0\r\n\r\n"])
    assert reader.headers == [(b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"empty", b""), (b"content-length", b"0")]


def test_trailers_are_not_headers():
    reader, _ = read([ANSWERS["chunks"]])
    assert reader.headers == [(b"transfer-encoding", b"chunked")]


def test_a_body_without_a_length_ends_with_the_connection():
    reader, body = read([b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"], end=True)
    assert (body, reader.complete, reader.reusable, reader.problem) == (b"hello", True, False, None)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_answers_without_a_body_are_complete_with_their_head(status):
    reader, body = read([b"HTTP/1.1 " + status + b"\r\n\r\n"])
    assert (body, reader.complete, reader.reusable) == (b"", True, True)


@pytest.mark.parametrize("framing", [b"content-length: 5", b"transfer-encoding: chunked", b"x: y"])
def test_an_answer_to_head_has_no_body_and_closes(framing):
    reader, body = read([b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"], bodyless=True)
    assert (reader.status, body, reader.complete, reader.reusable) == (200, b"", True, False)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nconnection: close\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: Close\r\n"],
)
def test_a_connection_that_says_it_closes_is_not_used_again(head):
    reader, body = read([head + b"content-length: 2\r\n\r\nok"])
    assert (body, reader.complete, reader.reusable) == (b"ok", True, False)


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"H", b"garbage", b"\0"])
@pytest.mark.parametrize("together", [True, False])
def test_bytes_after_the_end_close_the_connection_and_spoil_nothing(more, together):
    pieces = [ANSWERS["length"] + more] if together else [ANSWERS["length"], more]
    reader, body = read(pieces)
    assert (reader.status, body, reader.complete, reader.reusable, reader.problem) == (200, b"hello", True, False, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\na: b\n\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_a_problem(data):
    reader, _ = read([data], end=not data)
    assert reader.problem is not None
    assert reader.status == 0


def test_a_bad_chunk_is_a_problem_after_what_came_before_it():
    reader, body = read([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nXX\r\n"])
    assert (reader.status, body, reader.complete) == (200, b"ok", False)
    assert "malformed" in reader.problem


def _with_headers(count, size):
    pad = size - 4 * count - 3 * count
    names = [b"%03x" % index for index in range(count)]
    lines = [names[0] + b": " + b"v" * pad + b"\r\n", *(name + b":\r\n" for name in names[1:])]
    return b"HTTP/1.1 204 OK\r\n" + b"".join(lines) + b"\r\n"


@pytest.mark.parametrize(
    ("count", "size", "fits"),
    [
        (2, HEAD_BYTES, True),
        (2, HEAD_BYTES + 1, False),
        (HEAD_COUNT, 4000, True),
        (HEAD_COUNT + 1, 4000, False),
    ],
)
def test_heads_are_bounded(count, size, fits):
    data = _with_headers(count, size)
    for step in (len(data), 1000):
        reader, _ = read([data[i : i + step] for i in range(0, len(data), step)])
        assert (reader.complete, reader.problem is None) == (fits, fits)


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 " + b"x",
        b"HTTP/1.1 200 OK\r\nname: v",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ntrailer: x",
    ],
)
def test_what_never_ends_is_bounded(start):
    reader, _ = read([start] + [b"y" * 1024] * (SILENT_BYTES // 1024))
    assert reader.problem is not None


def test_endless_interim_answers_are_bounded():
    reader, _ = read([b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 10_000])
    assert reader.problem is not None


@given(st.binary(max_size=200))
def test_random_bytes_never_raise(data):
    read([b"HTTP/1.1 200 OK\r\n" + data], end=True)
    read([data, data], end=True)
