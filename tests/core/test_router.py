"""Tokens, scopes and prefixes."""

from __future__ import annotations

import pytest

from aexl.api import Mount
from aexl.core.http.refusal import neutral_refusal
from aexl.core.router import Router, check_scope, find_token, move_token
from aexl.errors import Refused
from aexl.testing.factories import make_principal


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer t")],
        [(b"authorization", b"bearer  t ")],
        [(b"x-api-key", b"t")],
        [(b"x-goog-api-key", b"t")],
        [(b"x-api-token", b"t")],
        [(b"authorization", b"Bearer t"), (b"x-api-key", b"t")],
    ],
)
def test_a_token_is_found_wherever_a_client_puts_it(headers):
    assert find_token(headers) == "t"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "missing_token"),
        ([(b"authorization", b"Basic dDp0")], "missing_token"),
        ([(b"authorization", b"Bearer ")], "missing_token"),
        ([(b"x-api-key", b"")], "missing_token"),
        ([(b"authorization", b"Bearer one"), (b"x-api-key", b"two")], "conflicting_tokens"),
        ([(b"x-api-key", b"one"), (b"x-api-key", b"two")], "conflicting_tokens"),
    ],
)
def test_no_token_and_two_that_differ_are_401(headers, code):
    with pytest.raises(Refused) as caught:
        find_token(headers)
    assert (caught.value.status, caught.value.code) == (401, code)


@pytest.mark.parametrize(
    ("scope", "needed", "code"),
    [
        ("read", "read", None),
        ("read", "execute", "read_only_token"),
        ("read", "admin", "scope_missing"),
        ("execute", "read", None),
        ("execute", "admin", "scope_missing"),
        ("admin", "execute", None),
        ("admin", "admin", None),
    ],
)
def test_scopes_include_the_lower_ones(scope, needed, code):
    principal = make_principal(scope=scope)
    if code is None:
        check_scope(principal, needed)
    else:
        with pytest.raises(Refused) as caught:
            check_scope(principal, needed)
        assert (caught.value.status, caught.value.code) == (403, code)


def mounts(*paths):
    return [Mount(path=path, app=None, auth="none") for path in paths]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1", "/v1"),
        ("/v1/chat/completions", "/v1"),
        ("/v1/models/x", "/v1/models"),
        ("/v1x", "/"),
        ("/", "/"),
        ("/anything", "/"),
    ],
)
def test_the_longest_prefix_of_whole_segments_wins(path, found):
    assert Router(mounts("/", "/v1", "/v1/models"), None).find(path).path == found


def test_without_a_mount_for_the_root_other_paths_are_nobodys():
    assert Router(mounts("/v1"), None).find("/other") is None


def test_a_refusal_is_written_by_whom_the_path_belongs_to():
    def write(refused, path, method):
        return 418, [], f"{refused.code} {method} {path}".encode()

    router = Router([Mount(path="/v1", app=None, auth="none", refuse=write)], None)
    refused = Refused("no", code="scope_missing", status=403)
    assert router.refuse(refused, "/v1/messages", "POST") == (418, [], b"scope_missing POST /v1/messages")
    status, headers, _ = router.refuse(refused, "/other", "POST")
    assert (status, dict(headers)[b"x-should-retry"]) == (403, b"false")


@pytest.mark.parametrize(("wait", "header"), [(0.2, b"1"), (1.0, b"1"), (7.9, b"8")])
def test_retry_after_is_whole_seconds_and_never_too_early(wait, header):
    refused = Refused("later", code="rate_limited", status=429, retry_after=wait)
    _, headers, _ = neutral_refusal(refused)

    assert dict(headers)[b"retry-after"] == header


@pytest.mark.parametrize(
    ("query", "left", "tokens"),
    [
        (b"alt=sse", b"alt=sse", []),
        (b"alt=sse&key=t", b"alt=sse", [b"t"]),
        (b"key=t&%6bey=t%2Fu&keys=1", b"keys=1", [b"t", b"t/u"]),
        (b"key", b"", [b""]),
    ],
)
def test_a_token_in_the_query_moves_to_the_headers(query, left, tokens):
    scope = {"query_string": query, "headers": [(b"host", b"x")]}
    move_token(scope, "key")
    assert scope["query_string"] == left
    assert scope["headers"] == [(b"host", b"x"), *((b"x-goog-api-key", token) for token in tokens)]
