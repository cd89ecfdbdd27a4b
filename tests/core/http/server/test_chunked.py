import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.core.http import chunked
from aexl.core.http.chunked import ChunkedBody
from aexl.core.http.limits import ServerLimits
from aexl.core.http.refusal import Refusal

LIMITS = ServerLimits()


def decode(data: bytes, limits: ServerLimits = LIMITS) -> tuple[bytes, int]:
    body, at = ChunkedBody(limits).decode(data, 0)
    return body, at


def refusal_of(data: bytes, limits: ServerLimits = LIMITS) -> Refusal | None:
    body = ChunkedBody(limits)
    try:
        body.decode(data, 0)
        body.decode(b"x", 0)
    except Refusal as refusal:
        return refusal
    return None


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n", b"0123456789" * 2),
        (b'5;a=b;c="d;e"\r\nhello\r\n0;x\r\n\r\n', b"hello"),
        (b"5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n", b"hello"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
    ],
)
def test_a_body_is_decoded_to_its_end_and_no_further(data: bytes, body: bytes) -> None:
    assert decode(data + b"GET / HTTP/1.1\r\n") == (body, len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n", b"x\r\n", b"5 \r\n", b" 5\r\n", b"0x5\r\n", b"+5\r\n", b"-5\r\n", b"5_0\r\n", b"5\n", b"5\rx\n", b"5,5\r\n",
        b"11111111111111111\r\n", b"5 ;a\r\n", b"5;a\0\r\n", b"5\r\nhellox\r\n", b"5\r\nhello\n", b"5\r\nhello\rx", b"5\r\nhello\n0",
        b"0\r\nX: y\n\r\n", b"0\r\n X: y\r\n", b"0\r\nX y\r\n", b"0\r\n: y\r\n", b"0\r\nX : y\r\n", b"0\r\nX: \0\r\n",
        "\u0665\r\n".encode(),
    ],
)  # fmt: skip
def test_a_wrong_frame_is_400(data: bytes) -> None:
    refusal = refusal_of(data)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (400, "malformed_body")


def test_a_body_may_have_its_limit_and_not_one_byte_more() -> None:
    limits = ServerLimits(body_bytes=10)
    assert decode(b"6\r\n012345\r\n4\r\n6789\r\n0\r\n\r\n", limits)[0] == b"0123456789"

    refusal = refusal_of(b"6\r\n012345\r\n5\r\n", limits)  # before a byte of it was read
    assert refusal is not None
    assert refusal.status == 413


def test_a_size_line_may_have_its_limit_and_not_one_byte_more() -> None:
    fitting = b"0;" + b"a" * (chunked.LINE_BYTES - 4)
    assert refusal_of(fitting + b"\r\n") is None
    assert refusal_of(fitting + b"a\r\n") is not None
    assert refusal_of(fitting + b"aa") is not None  # without an end in sight


def test_extensions_may_have_their_limit_and_not_one_byte_more() -> None:
    extension = b"1;" + b"a" * (1024 + 14) + b"\r\nx\r\n"
    assert refusal_of(extension * 16) is None
    assert refusal_of(extension * 16 + b"1;" + b"a" * 15 + b"\r\nx\r\n") is not None


def test_trailers_may_have_their_limits_and_not_one_more() -> None:
    limits = ServerLimits(headers=2, header_bytes=12)
    assert refusal_of(b"0\r\na: b\r\n\r\n", limits) is None
    assert refusal_of(b"0\r\na:\r\nb:\r\n\r\n", limits) is None
    for data in (b"0\r\na:\r\nb:\r\nc:\r\n", b"0\r\na: bcdefghi\r\n", b"0\r\na: bcdefghijklmnop"):
        refusal = refusal_of(data, limits)
        assert refusal is not None
        assert refusal.status == 431


class Oracle:
    """llhttp's opinion of the same bytes."""

    def __init__(self, data: bytes) -> None:
        self.body = b""
        self.complete = False
        self.refused = False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            self.refused = not self.complete

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


FRAMES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\r\n", b"\n", b"\r", b"0", b"5", b"a", b";", b" ", b"x: y", b"hello", b"0\r\n\r\n", b"5\r\nhello\r\n"]
        ),
        st.binary(max_size=3),
    ),
    max_size=12,
).map(b"".join)


@given(FRAMES)
def test_what_is_accepted_is_what_llhttp_reads_too(data: bytes) -> None:
    ours = ChunkedBody(LIMITS)
    try:
        body, _ = ours.decode(data, 0)
    except Refusal:
        return
    oracle = Oracle(data)
    if ours.done:
        assert oracle.complete
        assert oracle.body == body
    else:
        assert not oracle.complete


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_any_split_of_a_body_gives_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    encoded = b"".join(b"%x;e\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nT: x\r\n\r\n"
    body = ChunkedBody(LIMITS)
    decoded = b""
    at = 0
    while at < len(encoded):
        size = data.draw(st.integers(1, len(encoded) - at))
        out, used = body.decode(encoded[at : at + size], 0)
        decoded += out
        at += used
    assert body.done
    assert decoded == b"".join(pieces)
