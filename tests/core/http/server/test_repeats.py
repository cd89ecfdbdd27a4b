import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.core.http.head import parse_head
from aexl.core.http.limits import ServerLimits
from aexl.core.http.refusal import Refusal
from aexl.core.http.repeats import LONGEST, Repeats

LIMITS = ServerLimits(body_bytes=5000)


def head(length: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} /v1/x HTTP/1.1", "Host: a", *lines, f"Content-Length: {length}", "", ""]).encode()


def outcome(read, data: bytes):
    try:
        return read(data)
    except Refusal as refusal:
        return refusal.status, refusal.code


HEADS = st.builds(
    head,
    st.sampled_from(["0", "1", "7", "0007", "5000", "5001", "x", "999999999999999999", "9999999999999999999"]),
    *[st.sampled_from(["X-A: 1", "X-A: 2", "Content-Length: 3", "content-length: 3", "Bad", "Connection: close"])] * 2,
    method=st.sampled_from(["POST", "PUT", "CONNECT"]),
)


@given(st.lists(HEADS, min_size=2, max_size=6))
def test_a_connection_reads_each_head_as_if_it_were_the_first(heads):
    repeats = Repeats(LIMITS)
    for data in heads:
        assert outcome(repeats.read, data) == outcome(lambda data: parse_head(data, LIMITS), data)


def test_only_the_length_of_a_repeated_head_is_read_again():
    repeats = Repeats(LIMITS)
    first = repeats.read(head("7", "Authorization: Bearer a"))
    assert repeats.read(head("7", "Authorization: Bearer a")) is first
    again = repeats.read(head("12", "Authorization: Bearer a"))
    assert (again.length, again.headers[-1]) == (12, (b"content-length", b"12"))
    assert repeats.read(head("12", "Authorization: Bearer b")).headers[1] == (b"authorization", b"Bearer b")


@pytest.mark.parametrize(("extra", "kept"), [(0, True), (1, False)])
def test_a_head_is_kept_up_to_its_limit(extra, kept):
    repeats = Repeats(ServerLimits(header_bytes=2 * LONGEST))
    rest = len(head("7", "X-Pad: "))
    data = head("7", "X-Pad: " + "x" * (LONGEST - rest + extra))
    assert len(data) == LONGEST + extra
    assert (repeats.read(data) is repeats.read(data)) is kept
