"""The connector ``http``: where it goes, what it carries, and what it gives back."""

from __future__ import annotations

import base64

import httpx
import msgspec
import pytest
import trio

from aexl.core.http.transport import make_transport
from aexl.errors import ConfigError, Invalid, Refused
from aexl.testing.connectors import SECRET, ConnectorConformance, make_action, make_settings
from aexl.testing.host import FakeHost
from aexl_plane.integrations.http import HttpType

BASE = "https://crm.example/api/v2"


class Server:
    """Remembers what came, and answers with ``answer``, or says back what it was sent."""

    def __init__(self):
        self.seen = []
        self.answer = None

    def __call__(self, request):
        self.seen.append(request)
        if callable(self.answer):
            return self.answer(request)
        return self.answer or httpx.Response(
            200, json={"headers": dict(request.headers), "path": request.url.raw_path.decode()}
        )


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def make(tmp_path, server):
    def make(**options):
        host = FakeHost(tmp_path)
        host.upstream = httpx.MockTransport(server)
        return HttpType(host).build(make_settings(**{"base_url": BASE, **options}))

    return make


@pytest.fixture
def ask(make):
    async def ask(connector=None, **params):
        return (await (connector or make()).invoke(make_action("http.request", **params))).value

    return ask


class TestItConforms(ConnectorConformance):
    options = {"base_url": BASE}  # noqa: RUF012 - the suite declares it

    @pytest.fixture(autouse=True)
    def _at(self, tmp_path, server):
        self.host = FakeHost(tmp_path)
        self.host.upstream = httpx.MockTransport(server)

    def make_type(self):
        return HttpType(self.host)


async def test_the_server_gets_the_credential_and_the_caller_does_not(ask, server):
    found = await ask(path="/a b", query={"x": [1, "é&="], "y": True}, headers={"Accept": "text/html"})

    [seen] = server.seen
    assert str(seen.url) == f"{BASE}/a%20b?x=1&x=%C3%A9%26%3D&y=true"
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert (seen.headers["accept"], seen.headers["accept-encoding"]) == ("text/html", "identity")
    assert SECRET not in msgspec.json.encode(found).decode()
    assert found["json"]["headers"]["authorization"] == "Bearer [hidden]"


async def test_the_credential_goes_where_the_owner_says(make, ask, server):
    await ask(make(credential_header="X-Api-Key", credential_prefix="", headers={"X-Version": "7"}))
    assert (server.seen[0].headers["x-api-key"], server.seen[0].headers["x-version"]) == (SECRET, "7")
    assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    "name", ["Authorization", "Host", "Cookie", "Content-Length", "X-Version", "Connection", "X-Other"]
)
async def test_a_caller_sets_no_header_that_is_the_owners(make, ask, server, name):
    with pytest.raises(Refused) as refused:
        await ask(make(headers={"X-Version": "7"}, pass_headers=["host", "x-version"]), headers={name: "mine"})
    assert refused.value.status == 403
    assert server.seen == []


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "é", "x" * 4097])
async def test_a_header_cannot_carry_another_one(ask, server, value):
    with pytest.raises(Invalid):
        await ask(headers={"accept": value})
    assert server.seen == []


@pytest.mark.parametrize("path", ["/../admin", "/%2e%2e/admin", "@evil.example/", "//evil.example/", "/a?b=1", "\\x"])
async def test_no_path_leads_out_of_the_base_url(ask, server, path):
    with pytest.raises(Invalid):
        await ask(path=path)
    assert server.seen == []


async def test_only_allowed_methods_and_paths_are_asked_for(make, ask, server):
    connector = make(methods=["GET", "POST"], paths=["/orders", "/health"])
    await ask(connector, method="POST", path="/orders/3", json={"a": [1]})
    assert (server.seen[0].content, server.seen[0].headers["content-type"]) == (b'{"a":[1]}', "application/json")
    for params in (
        {"method": "DELETE", "path": "/orders/3"},
        {"path": "/users"},
        {"path": "/orders2"},
        {"method": "get"},
    ):
        with pytest.raises(Refused) as refused:
            await ask(connector, **params)
        assert (refused.value.status, refused.value.code) == (403, "action_not_granted")
    assert len(server.seen) == 1


async def test_bodies_have_limits_at_their_edges(make, ask, server):
    connector = make(methods=["POST"], request_bytes=10, response_bytes=10)
    server.answer = lambda request: httpx.Response(200, text="x" * int(request.content or b"0"))
    assert (await ask(connector, method="POST", body="10"))["text"] == "x" * 10
    with pytest.raises(Refused) as refused:
        await ask(connector, method="POST", body="11")
    assert (refused.value.status, refused.value.code) == (502, "answer_too_large")
    await ask(connector, method="POST", body="0000000000")
    with pytest.raises(Invalid, match="11 bytes"):
        await ask(connector, method="POST", body="00000000000")
    with pytest.raises(Invalid, match="not both"):
        await ask(connector, method="POST", body="1", json=1)
    with pytest.raises(Invalid, match="has no body"):
        await ask(make(), body="1")


async def test_any_answer_is_a_result_and_a_redirect_is_not_followed(ask, server):
    server.answer = httpx.Response(302, headers={"location": "http://127.0.0.1/", "set-cookie": "a=b", "etag": '"1"'})
    assert await ask() == {"status": 302, "headers": {"etag": '"1"'}, "text": ""}
    server.answer = httpx.Response(404, content=b'{"no"', headers={"content-type": "application/json"})
    assert await ask() == {"status": 404, "headers": {"content-type": "application/json"}, "text": '{"no"'}
    secret = SECRET.encode()
    server.answer = httpx.Response(200, content=b"\xff" + secret)
    assert base64.b64decode((await ask())["base64"]) == b"\xff[hidden]"


async def test_a_server_that_cannot_be_reached_is_told_without_its_address(ask, server, caplog):
    def fail(request):
        raise httpx.ConnectError(f"10.0.0.1 says {request.headers['authorization']}")

    server.answer = fail
    with pytest.raises(Refused) as refused:
        await ask()
    assert (refused.value.status, refused.value.reason) == (502, "the server could not be reached")
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "base", ["https://127.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "http://example.com/"]
)
async def test_an_address_inside_is_refused_unless_the_owner_allows_it(tmp_path, base):
    class Real(FakeHost):
        def transport(self, upstream):
            return make_transport(upstream)

    connector = HttpType(Real(tmp_path)).build(make_settings(base_url=base))
    with pytest.raises(Refused, match="could not be reached"), trio.fail_after(20):
        await connector.invoke(make_action("http.request"))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": "ftp://x"}, "base_url"),
        ({"base_url": "https://user:word@x"}, "base_url"),
        ({"methods": ["FETCH"]}, "methods"),
        ({"methods": []}, "methods"),
        ({"paths": ["orders"]}, "paths"),
        ({"health": "/../x"}, "health"),
        ({"headers": {"a b": "c"}}, "headers"),
        ({"headers": {"a": "c\n"}}, "headers"),
        ({"response_bytes": 4_000_001}, "response_bytes"),
        ({"base_url": 3}, "base_url"),
    ],
)
def test_a_table_that_is_wrong_names_its_key(make, options, named):
    with pytest.raises(ConfigError, match=rf"integrations\.one\.{named}"):
        make(**options)


async def test_a_check_asks_for_the_path_of_health(make, server):
    assert await make(health="/ping").check({"path": "/admin"}) == {"status": 200}
    assert server.seen[0].url.path == "/api/v2/ping"
    for status in (401, 403, 500):
        server.answer = httpx.Response(status)
        with pytest.raises(Refused):
            await make().check({})
