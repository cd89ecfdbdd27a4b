import pytest

from aexl.core.http.origin import OriginRule

RULE = OriginRule(
    ports=[9000],
    hosts=["gateway", "Other.example:8443"],
    origins=["https://app.example", "http://tool.example:3000/"],
)


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1", b"127.0.0.1:9000", b"localhost", b"localhost:9000", b"LOCALHOST:9000", b"[::1]", b"[::1]:9000",
        b"gateway", b"gateway:9000", b"other.example:8443",
    ],
)  # fmt: skip
def test_a_known_host_is_let_in(host: bytes) -> None:
    assert RULE.check(host, None) is None


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example", b"evil.example:9000", b"127.0.0.1:9001", b"localhost:80", b"localhost.", b"127.0.0.2", b"127.1",
        b"0.0.0.0:9000", b"localhost.evil.example", b"gateway:9001", b"other.example", b"other.example:9000", b"[::]",
        b"127.0.0.1:09000", b"",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(host: bytes) -> None:
    refusal = RULE.check(host, None)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "host_not_allowed")


@pytest.mark.parametrize(
    "origin",
    [
        b"http://localhost:9000", b"http://127.0.0.1:9000", b"http://[::1]:9000", b"http://gateway:9000",
        b"https://gateway", b"https://other.example:8443", b"https://app.example", b"http://tool.example:3000",
        b"HTTP://LocalHost:9000",
    ],
)  # fmt: skip
def test_a_known_origin_is_let_in(origin: bytes) -> None:
    assert RULE.check(b"localhost:9000", origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        b"null", b"", b"*", b"http://evil.example", b"http://localhost", b"http://localhost:3000",
        b"https://localhost:9000", b"http://app.example", b"https://app.example.evil.example", b"https://app.example:1",
        b"http://localhost:9000, http://localhost:9000", b"file://",
    ],
)  # fmt: skip
def test_any_other_origin_is_refused(origin: bytes) -> None:
    refusal = RULE.check(b"localhost:9000", origin)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "origin_not_allowed")


def test_null_cannot_be_configured() -> None:
    assert OriginRule(ports=[1], origins=["null"]).check(b"localhost", b"null") is not None


def test_port_80_is_left_out_of_an_origin() -> None:
    assert OriginRule(ports=[80]).check(b"localhost", b"http://localhost") is None
