from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.core.http import response
from aexl.core.http.framing import ResponseFraming
from aexl.core.http.response import date_line, encode_fields, format_date

NO_FIELDS = encode_fields([(b"date", b"x")])


def framing(method: str = "GET", version: str = "1.1", status: int = 200, length: int | None = None) -> ResponseFraming:
    headers = [(b"date", b"x")] + ([(b"content-length", b"%d" % length)] if length is not None else [])
    return ResponseFraming(method, version, status, encode_fields(headers))


def test_a_whole_answer_gets_its_length() -> None:
    assert framing().begin(b"abc", False, close=False) == b"HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 3\r\n\r\nabc"


def test_a_stream_is_chunked() -> None:
    answer = framing()
    assert answer.begin(b"abc", True, close=False).endswith(b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert answer.go_on(b"", True) == b""
    assert answer.go_on(b"x" * 16, True) == b"10\r\n" + b"x" * 16 + b"\r\n"
    assert answer.go_on(b"z", False) == b"1\r\nz\r\n0\r\n\r\n"
    assert answer.go_on(b"", False) == b"0\r\n\r\n"
    assert not answer.until_close


def test_a_stream_for_1_0_ends_with_the_connection() -> None:
    answer = framing(version="1.0")
    assert answer.begin(b"abc", True, close=False) == b"HTTP/1.1 200 OK\r\ndate: x\r\nconnection: close\r\n\r\nabc"
    assert answer.go_on(b"d", False) == b"d"
    assert answer.until_close


def test_1_0_is_told_that_the_connection_is_kept() -> None:
    assert b"connection: keep-alive\r\n" in framing(version="1.0").begin(b"abc", False, close=False)
    assert b"connection: close\r\n" in framing(version="1.0").begin(b"abc", False, close=True)


def test_an_announced_length_is_kept() -> None:
    answer = framing(length=5)
    assert answer.begin(b"ab", True, close=False).endswith(b"content-length: 5\r\n\r\nab")
    assert answer.go_on(b"cde", False) == b"cde"


def test_a_longer_body_than_announced_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="1 bytes longer"):
        framing(length=2).begin(b"abc", True, close=False)


def test_a_shorter_body_than_announced_is_an_error() -> None:
    answer = framing(length=5)
    answer.begin(b"abc", True, close=False)
    with pytest.raises(RuntimeError, match="2 bytes shorter"):
        answer.go_on(b"", False)


@pytest.mark.parametrize(
    ("method", "status", "length", "line"),
    [
        ("HEAD", 200, None, b"content-length: 3\r\n"),
        ("HEAD", 200, 7, b"content-length: 7\r\n"),
        ("GET", 304, 7, b"content-length: 7\r\n"),
        ("GET", 304, None, b""),
        ("GET", 204, None, b""),
        ("GET", 204, 0, b""),
    ],
)
def test_an_answer_without_a_body_has_none(method: str, status: int, length: int | None, line: bytes) -> None:
    answer = framing(method=method, status=status, length=length)
    data = answer.begin(b"abc", False, close=False)
    assert data.endswith(b"date: x\r\n" + line + b"\r\n")
    assert answer.go_on(b"more", False) == b""


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 1000])
def test_a_status_that_is_not_final_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        ResponseFraming("GET", "1.1", status, NO_FIELDS)


def test_a_status_without_a_phrase_is_sent() -> None:
    assert framing(status=529).begin(b"", False, close=False).startswith(b"HTTP/1.1 529 \r\n")


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"])
def test_a_value_cannot_smuggle_a_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        encode_fields([(b"x", value)])


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\xe9", "text"])
def test_a_name_is_a_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="header name"):
        encode_fields([(name, b"x")])


@pytest.mark.parametrize("values", [[b"a"], [b"-1"], [b"1", b"2"], [b""], [b"1, 1"]])
def test_a_content_length_is_one_number(values: list[bytes]) -> None:
    with pytest.raises(ValueError, match="content-length"):
        encode_fields([(b"Content-Length", value) for value in values])


def test_what_belongs_to_the_connection_is_the_servers() -> None:
    fields = encode_fields(
        [(b"Transfer-Encoding", b"chunked"), (b"Keep-Alive", b"1"), (b"upgrade", b"x"), (b"a", b"b"), (b"Date", b"x")]
    )
    assert (fields.lines, fields.length, fields.close) == (b"\r\na: b\r\nDate: x", None, False)
    assert encode_fields([(b"Connection", b"Close")]).close


@given(st.integers(0, 4_000_000_000))
def test_a_date_is_written_as_the_standard_library_writes_it(seconds: int) -> None:
    assert format_date(seconds) == formatdate(seconds, usegmt=True)


def test_a_date_is_added_and_a_server_name_is_not() -> None:
    assert encode_fields([]).lines == date_line()
    assert date_line().startswith(b"\r\ndate: ")
    assert date_line().endswith(b" GMT")


def test_invented_names_do_not_fill_memory() -> None:
    encode_fields([(b"x-%d" % number, b"") for number in range(3000)])
    assert len(response._starts) <= response._NAMES_KEPT
