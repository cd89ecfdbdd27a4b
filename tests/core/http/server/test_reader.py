import random
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aexl.core.http.limits import ServerLimits
from aexl.core.http.reader import RequestReader
from aexl.core.http.refusal import Refusal

SMALL = ServerLimits(header_bytes=120, headers=5, target_bytes=40, body_bytes=50)
GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: x\r\n\r\n"

Seen = list[tuple[str, bytes] | tuple[int, str]]


def read(pieces: Iterable[bytes], limits: ServerLimits = SMALL) -> Seen:
    """Read every request and the refusal that ends them, whatever the pieces."""
    reader = RequestReader(limits)
    seen: Seen = []
    in_body = False
    body = b""
    try:
        for piece in pieces:
            reader.feed(piece)
            while True:
                if in_body:
                    out = reader.next_body()
                    body += out
                    if not reader.body_ended:
                        if out:
                            continue
                        break
                    seen.append(("body", body))
                    in_body, body = False, b""
                head = reader.next_head()
                if head is None:
                    break
                seen.append((head.method, head.path + b"?" + head.query))
                in_body = True
            assert reader.buffered <= limits.header_bytes + len(piece)
    except Refusal as refusal:
        seen.append((refusal.status, refusal.code))
    if body:
        seen.append(("cut", body))
    return seen


def slices(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def test_pipelined_requests_come_out_in_order() -> None:
    assert read([GET + POST + CHUNKED + GET]) == [
        ("GET", b"/a?b"), ("body", b""), ("POST", b"/?"), ("body", b"hello"), ("PUT", b"/?"), ("body", b"abcde"),
        ("GET", b"/a?b"), ("body", b""),
    ]  # fmt: skip


def test_an_upgrade_with_a_body_does_not_become_a_second_request() -> None:
    smuggled = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n"
    assert read([smuggled % len(GET) + GET + POST]) == [
        ("POST", b"/?"), ("body", GET), ("POST", b"/?"), ("body", b"hello"),
    ]  # fmt: skip


def head_of(size: int) -> bytes:
    start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


@pytest.mark.parametrize("cut", [lambda data: [data], slices])
def test_headers_may_have_their_limit_and_not_one_byte_more(cut) -> None:
    assert read(cut(head_of(120))) == [("GET", b"/?"), ("body", b"")]
    assert read(cut(head_of(121))) == [(431, "headers_too_large")]


def test_a_head_without_an_end_is_refused_at_the_limit_and_not_buffered_past_it() -> None:
    reader = RequestReader(SMALL)
    reader.feed(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(120 - 19 - 1):
        reader.feed(b"x")
        assert reader.next_head() is None
    reader.feed(b"x")
    with pytest.raises(Refusal) as caught:
        reader.next_head()
    assert caught.value.status == 431
    assert reader.buffered == 120


def test_a_target_without_an_end_is_414() -> None:
    assert read([b"GET /" + b"a" * 115]) == [(414, "target_too_long")]
    assert read([b"GET /" + b"a" * 39 + b" HTTP/1.1\r\nHost: a\r\n\r\n"])[0][0] == "GET"
    assert read([b"GET /" + b"a" * 40 + b" HTTP/1.1\r\nHost: a\r\n\r\n"]) == [(414, "target_too_long")]


def test_a_body_may_have_its_limit_and_not_one_byte_more() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    assert read([post % 50 + b"x" * 50])[1] == ("body", b"x" * 50)
    assert read([post % 51]) == [(413, "body_too_large")]


def test_a_bare_line_feed_is_refused_without_waiting_for_the_end() -> None:
    assert read([b"GET / HTTP/1.1\n"]) == [(400, "malformed_request")]
    assert read(slices(b"GET / HTTP/1.1\r\nHost: a\n")) == [(400, "malformed_request")]


def test_what_is_not_http_is_refused_at_its_first_byte() -> None:
    assert read([b"\x16\x03\x01\x02\x00"]) == [(400, "malformed_request")]
    assert read([b"\n"]) == [(400, "malformed_request")]
    assert read([b"\rG"]) == [(400, "malformed_request")]


def test_a_few_empty_lines_before_a_request_are_ignored() -> None:
    assert read([b"\r\n" * 4 + GET]) == read([GET])
    assert read(slices(b"\r\n" * 4 + GET)) == read([GET])
    assert read([b"\r\n" * 5 + GET]) == [(400, "malformed_request")]


PARTS = st.sampled_from(
    [
        GET, POST, CHUNKED, b"\r\n", b"\r", b"\n", b" ", b"GET ", b"/", b" HTTP/1.1\r\n", b"HTTP/1.0", b"Host: a\r\n",
        b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"\r\n\r\n", b"abc", b"0\r\n\r\n",
        b"3\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n", b"X: " + b"y" * 30 + b"\r\n", b"a" * 41, b"\0", b":", b";",
    ]
)  # fmt: skip
STREAMS = st.lists(st.one_of(PARTS, st.binary(max_size=4)), max_size=14).map(b"".join)


@given(STREAMS, st.data())
@example(GET + POST + CHUNKED, None)
@settings(max_examples=300)
def test_any_split_of_the_same_bytes_gives_the_same(data: bytes, draws: st.DataObject | None) -> None:
    whole = read([data])
    assert read(slices(data)) == whole
    if draws is not None and data:
        cuts = sorted(draws.draw(st.lists(st.integers(0, len(data)), max_size=5)))
        assert read(data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)) == whole


def fuzz(seed: int, count: int) -> None:
    """Mutate valid requests; nothing but a refusal may come of it, and nothing may grow (``read`` asserts both)."""
    chance = random.Random(seed)
    alphabet = b"\r\n\0 \t:;,/?#%0159aAxX\x7f\x80\xff"
    for _ in range(count):
        data = bytearray(b"".join(chance.choices([GET, POST, CHUNKED, head_of(120)], k=chance.randint(1, 3))))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(4):
                case 0:
                    data[at:at] = bytes(chance.choices(alphabet, k=chance.randint(1, 3)))
                case 1:
                    del data[at : at + chance.randint(1, 8)]
                case 2:
                    data[at : at + 1] = bytes([chance.choice(alphabet)])
                case _:
                    data[at:at] = data[chance.randrange(len(data) + 1) :][: chance.randint(1, 60)]
        whole = bytes(data)
        cut = chance.randrange(len(whole) + 1)
        assert read([whole[:cut], whole[cut:]]) == read([whole]), (seed, whole)


def test_mutated_requests_are_read_or_refused() -> None:
    fuzz(seed=20, count=4000)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(50))
def test_many_mutated_requests_are_read_or_refused(seed: int) -> None:
    fuzz(seed=1000 + seed, count=40_000)
