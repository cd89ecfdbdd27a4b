"""From a request to a route."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid, Refused
from aexl_plane import signing
from aexl_plane.http.routing import Route, Routes


async def nothing(request):
    raise AssertionError


def table(*paths):
    return Routes(Route(method="GET", path=path, needs="read", answer=nothing) for path in paths)


def test_a_name_stands_for_one_segment_and_the_rest_for_all():
    routes = table("/a/{x}", "/a/{x}/b", "/f/{rest...}", "/u/{id}:commit")
    assert routes.find("GET", "/a/1%2F2")[1] == {"x": "1/2"}
    assert routes.find("GET", "/a/1/b")[1] == {"x": "1"}
    assert routes.find("GET", "/f/1/2%20/3")[1] == {"rest": "1/2 /3"}
    assert routes.find("GET", "/u/a:b:commit")[1] == {"id": "a:b"}
    for path in ("/a/", "/a/1/", "/a/1/c", "/f/", "/u/:commit", "/u/x", "/A/1", "//a/1"):
        with pytest.raises(Refused) as caught:
            routes.find("GET", path)
        assert caught.value.status == 404


def test_a_method_that_a_path_has_not_is_told_those_that_it_has():
    routes = Routes(Route(method=m, path="/a", needs="read", answer=nothing) for m in ("GET", "PUT"))
    with pytest.raises(Refused) as caught:
        routes.find("POST", "/a")
    assert caught.value.status == 405
    assert list(caught.value.headers) == [(b"allow", b"GET, PUT")]
    assert routes.find("HEAD", "/a")[0].method == "GET"


def test_a_path_that_is_not_utf8_is_refused():
    with pytest.raises(Invalid):
        table("/a/{x}").find("GET", "/a/%ff")


GRANTS = st.builds(
    signing.Grant,
    method=st.sampled_from(["GET", "PUT"]),
    blob=st.text("abc_123", min_size=1, max_size=20),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    size=st.integers(0, 10**12),
    content_type=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=50),
    expires=st.integers(1, 10**12),
)
KEY = b"k" * 32


def parts_of(url):
    from urllib.parse import parse_qsl, urlsplit

    parts = urlsplit(url)
    blob, sha256 = parts.path.removeprefix(f"/x{signing.PREFIX}/").split("/")
    return blob, sha256, dict(parse_qsl(parts.query, keep_blank_values=True))


@given(grant=GRANTS, other=GRANTS)
def test_a_signed_url_is_read_as_it_was_signed_and_as_nothing_else(grant, other):
    url = signing.sign_url(KEY, "https://h/x", grant)
    blob, sha256, query = parts_of(url)
    assert signing.read_url(KEY, grant.method, blob, sha256, query, grant.expires - 1) == grant
    foreign = parts_of(signing.sign_url(KEY, "https://h/x", other))[2]["signature"]
    attempts = [
        (b"z" * 32, grant.method, blob, sha256, query),
        (KEY, "PUT" if grant.method == "GET" else "GET", blob, sha256, query),
        (KEY, "DELETE", blob, sha256, query),
    ]
    if other != grant:
        attempts += [
            (KEY, grant.method, blob, sha256, {**query, "signature": foreign}),
            (KEY, other.method, other.blob, other.sha256, {**query, "size": str(other.size), "type": other.content_type,
                                                         "expires": str(other.expires)}),
        ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(Refused) as caught:
            signing.read_url(*attempt, 0)
        assert caught.value.code == "signature_invalid"
    with pytest.raises(Refused) as caught:
        signing.read_url(KEY, grant.method, blob, sha256, query, grant.expires)
    assert caught.value.code == "signature_expired"
