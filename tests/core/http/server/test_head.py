import pytest

from aexl.core.http.head import CHUNKED, parse_head
from aexl.core.http.limits import ServerLimits
from aexl.core.http.refusal import Refusal

LIMITS = ServerLimits()
HOST = b"Host: a\r\n"


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((first, *lines, b"", b""))


MALFORMED = {
    "CL and TE": head(b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "TE and CL": head(b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "two CL": head(b"Host: a", b"Content-Length: 5", b"Content-Length: 6"),
    "two equal CL": head(b"Host: a", b"Content-Length: 5", b"Content-Length: 5"),
    "CL list": head(b"Host: a", b"Content-Length: 5, 5"),
    "CL sign": head(b"Host: a", b"Content-Length: +5"),
    "CL negative": head(b"Host: a", b"Content-Length: -5"),
    "CL hex": head(b"Host: a", b"Content-Length: 0x5"),
    "CL empty": head(b"Host: a", b"Content-Length:"),
    "CL overflow": head(b"Host: a", b"Content-Length: 18446744073709551616"),
    "CL huge": head(b"Host: a", b"Content-Length: 1000000000000000000"),
    "CL inner space": head(b"Host: a", b"Content-Length: 5 5"),
    "TE not last chunked": head(b"Host: a", b"Transfer-Encoding: chunked, gzip"),
    "TE unknown alone": head(b"Host: a", b"Transfer-Encoding: xchunked"),
    "TE identity": head(b"Host: a", b"Transfer-Encoding: identity"),
    "TE twice": head(b"Host: a", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "TE vertical tab": head(b"Host: a", b"Transfer-Encoding: \x0bchunked"),
    "TE in 1.0": head(b"Host: a", b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"),
    "TE in 1.0, closed": head(
        b"Connection: close", b"Host: a", b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"
    ),
    "TE space before colon": head(b"Host: a", b"Transfer-Encoding : chunked"),
    "obs-fold": head(b"Host: a", b"X: b", b" c"),
    "obs-fold first": head(b" X: b", b"Host: a"),
    "tab fold": head(b"Host: a", b"X: b", b"\tc"),
    "no host": head(),
    "no host in 1.0": head(first=b"GET / HTTP/1.0"),
    "two hosts": head(b"Host: a", b"Host: a"),
    "empty host": head(b"Host:"),
    "host with user": head(b"Host: b@a"),
    "host with path": head(b"Host: a/b"),
    "host list": head(b"Host: a b"),
    "host port": head(b"Host: a:b"),
    "bare LF": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF in headers": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "bare CR in headers": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "NUL in value": head(b"Host: a", b"X: a\0b"),
    "control in value": head(b"Host: a", b"X: a\x01b"),
    "no colon": head(b"Host: a", b"X"),
    "no name": head(b"Host: a", b": b"),
    "name not a token": head(b"Host: a", b'a"b: c'),
    "name not ASCII": head(b"Host: a", b"\xe9: c"),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "two spaces": head(b"Host: a", first=b"GET  / HTTP/1.1"),
    "space at the end": head(b"Host: a", first=b"GET / HTTP/1.1 "),
    "tab in line": head(b"Host: a", first=b"GET\t/ HTTP/1.1"),
    "lower case method": head(b"Host: a", first=b"get / HTTP/1.1"),
    "unknown method": head(b"Host: a", first=b"FETCH / HTTP/1.1"),
    "RTSP": head(b"Host: a", first=b"OPTIONS / RTSP/1.0"),
    "target not ASCII": head(b"Host: a", first=b"GET /\xff HTTP/1.1"),
    "target with control": head(b"Host: a", first=b"GET /\x01 HTTP/1.1"),
    "fragment": head(b"Host: a", first=b"GET /#a HTTP/1.1"),
    "relative target": head(b"Host: a", first=b"GET a HTTP/1.1"),
    "star for GET": head(b"Host: a", first=b"GET * HTTP/1.1"),
    "other authority": head(b"Host: a", first=b"GET http://b/ HTTP/1.1"),
    "other scheme": head(b"Host: a", first=b"GET ftp://a/ HTTP/1.1"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_an_ambiguous_or_malformed_head_is_400(data: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_head(data, LIMITS)
    assert (caught.value.status, caught.value.code) == (400, "malformed_request")


OTHERS = {
    "another version": (head(b"Host: a", first=b"GET / HTTP/2.0"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\n", 505),
    "CONNECT": (head(b"Host: a", first=b"CONNECT a:1 HTTP/1.1"), 501),
    "another coding": (head(b"Host: a", b"Transfer-Encoding: gzip, chunked"), 501),
    "another expectation": (head(b"Host: a", b"Expect: 200-ok"), 417),
}


@pytest.mark.parametrize(("data", "status"), OTHERS.values(), ids=OTHERS)
def test_what_is_valid_but_unknown_has_a_status_of_its_own(data: bytes, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        parse_head(data, LIMITS)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("extra", "status"), [({"headers": 3}, 431), ({"target_bytes": 9}, 414), ({"body_bytes": 999}, 413)]
)
def test_a_limit_lets_its_own_size_in_and_not_one_more(extra: dict[str, int], status: int) -> None:
    data = head(b"Host: a", b"A: b", b"C: d", b"Content-Length: 1000", first=b"POST /123456789 HTTP/1.1")
    name, size = next(iter(extra.items()))
    assert parse_head(data, ServerLimits(**{name: size + 1})).method == "POST"

    with pytest.raises(Refusal) as caught:
        parse_head(data, ServerLimits(**extra))
    assert caught.value.status == status


def test_a_head_is_read() -> None:
    found = parse_head(
        head(
            b"HOST: Example:9000",
            b"X-Two:  b \t",
            b"X-TWO: \xe9",
            b"Content-Length: 7 ",
            first=b"POST /a%20b?c=d?e HTTP/1.1",
        ),
        LIMITS,
    )

    assert (found.method, found.path, found.query, found.version) == ("POST", b"/a%20b", b"c=d?e", "1.1")
    assert found.headers == [
        (b"host", b"Example:9000"), (b"x-two", b"b"), (b"x-two", b"\xe9"), (b"content-length", b"7"),
    ]  # fmt: skip
    assert (found.host, found.length, found.keep_alive, found.expects) == (b"Example:9000", 7, True, False)


@pytest.mark.parametrize(
    ("first", "path", "query"),
    [
        (b"GET http://a/b?c HTTP/1.1", b"/b", b"c"),
        (b"GET http://A HTTP/1.1", b"/", b""),
        (b"GET http://a?c HTTP/1.1", b"/", b"c"),
        (b"GET https://a/b HTTP/1.1", b"/b", b""),
        (b"OPTIONS * HTTP/1.1", b"*", b""),
        (b"GET //b/..;/%2e HTTP/1.1", b"//b/..;/%2e", b""),
    ],
)
def test_each_form_of_a_target_has_its_path(first: bytes, path: bytes, query: bytes) -> None:
    found = parse_head(head(b"Host: a", first=first), LIMITS)
    assert (found.path, found.query) == (path, query)


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"close"], False),
        (b"1.1", [b"Foo, CLOSE"], False),
        (b"1.1", [b"close", b"keep-alive"], False),
        (b"1.0", [], False),
        (b"1.0", [b"Keep-Alive"], True),
        (b"1.0", [b"keep-alive, close"], False),
    ],
)
def test_a_connection_is_kept_as_version_and_header_say(version: bytes, connection: list[bytes], kept: bool) -> None:
    lines = [b"Connection: " + value for value in connection]
    assert parse_head(head(b"Host: a", *lines, first=b"GET / HTTP/" + version), LIMITS).keep_alive is kept


def test_an_upgrade_is_an_ordinary_request() -> None:
    found = parse_head(head(b"Host: a", b"Connection: Upgrade", b"Upgrade: websocket"), LIMITS)
    assert (found.method, found.length, found.keep_alive) == ("GET", 0, True)

    found = parse_head(head(b"Host: a", b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: CHUNKED"), LIMITS)
    assert found.length == CHUNKED


def test_an_expectation_is_for_1_1_only() -> None:
    assert parse_head(head(b"Host: a", b"Expect: 100-Continue"), LIMITS).expects
    assert not parse_head(head(b"Host: a", b"Expect: 100-continue", first=b"PUT / HTTP/1.0"), LIMITS).expects


def test_two_origins_are_one_that_nobody_allows() -> None:
    found = parse_head(head(b"Host: a", b"Origin: http://a", b"Origin: http://a"), LIMITS)
    assert found.origin == b"http://a, http://a"


def test_a_refusal_is_a_small_json_answer_that_closes() -> None:
    answer = Refusal(413, "body_too_large", "too much").encode()
    start, _, body = answer.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in start
    assert body == b'{"error":{"message":"too much","type":"aexl_error","param":null,"code":"body_too_large"}}'
    assert Refusal(413, "a", "b").of("HEAD", b"/").encode().endswith(b"\r\n\r\n")


def test_a_refusal_says_whether_asking_again_can_help() -> None:
    assert b"\r\nx-should-retry: false\r\n" in Refusal(413, "a", "b").encode()
    again = Refusal(503, "a", "b", retry_after=1).encode()
    assert b"\r\nretry-after: 1\r\n" in again
    assert b"x-should-retry" not in again


@pytest.mark.parametrize(
    ("first", "lines", "code"),
    [
        (b"POST /v1/messages?beta=true HTTP/1.1", [b"Host: a", b"Content-Length: 99999999999"], "body_too_large"),
        (b"POST /v1/messages HTTP/1.1", [b"Host: a", b"Host: b"], "malformed_request"),
        (b"POST /v1/messages HTTP/1.1", [b"Host: a", b"Expect: much"], "unknown_expectation"),
    ],
)
def test_a_refusal_knows_whose_request_it_is(first: bytes, lines: list[bytes], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_head(head(*lines, first=first), LIMITS)
    refusal = caught.value
    assert (refusal.code, refusal.method, refusal.path) == (code, "POST", "/v1/messages")
    written = refusal.encode(lambda refused, path, method: (418, [(b"x", path.encode())], refused.code.encode()))
    assert written.startswith(b"HTTP/1.1 418 ")
    assert b"\r\nx: /v1/messages\r\n" in written
    assert written.endswith(b"\r\n\r\n" + code.encode())
