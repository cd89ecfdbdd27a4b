"""Two tenants, every route, each with the other's token: nothing leaks and nothing changes.

The requests are made from the route table, so that a new route is tested by existing. A
name in a path that is not known here fails: say in ``Belongings`` what it stands for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from aexl.testing.handlers import FakeHandlers
from aexl.testing.host import FakeHost
from aexl_plane.assembly import MOUNTS, Assembly
from aexl_plane.http.routing import ANY

ROUTES = [
    replace(route, method="GET") if route.method == ANY else route
    for route in Assembly(FakeHost(Path("/nowhere"))).routes().all
]
IDS = [f"{route.method} {route.path}" for route in ROUTES]

SECRET = b"the same words in both projects"
SHA256 = hashlib.sha256(SECRET).hexdigest()


@dataclass
class Belongings:
    """What one tenant has; ``parts`` is what stands in paths, ``special`` what does on one route only, by its end."""

    client: Any
    parts: dict[str, str]
    get_query: str
    put_query: str
    private: set[str]
    special: dict[str, dict[str, str]]

    def url(self, route, **changed):
        special = next((found for end, found in self.special.items() if route.path.endswith(end)), {})
        parts = {**self.parts, **special, **changed}
        path = route.path
        for name in route.names:
            assert name in parts, f"say in test_plane_isolation.py what {{{name}}} of {route.path} stands for"
            for text in (f"{{{name}}}", f"{{{name}...}}"):
                path = path.replace(text, quote(parts[name], safe="/" if text.endswith("...}") else ""))
        if "uploads:sign" in path or "downloads:sign" in path:
            path += "?path=" + ("secret.txt" if "downloads" in path else "other.txt")
        return path

    def signed(self, route):
        blob = self.parts["upload"] if route.method == "PUT" else self.parts["project"]
        return self.url(route, blob=blob, sha256=SHA256)

    def body(self, **more):
        """Something that every route can read as what it asks for."""
        return {
            "sha256": SHA256, "size_bytes": len(SECRET), "expected_version": None, "content_type": "text/plain",
            "slug": "intruder", "name": "intruder", "email": "intruder@example.org", "scopes": ["read"],
            "provider": "bell", "messages": [{"role": "ai", "content": "intruder"}], "patch": {"intruder": 1},
            "state": {"intruder": 1}, "namespace": ["n"], "key": "k", "value": {"intruder": 1},
            "selector": {"key": "k"}, "params": {}, "expires_seconds": 60, "environment": "dev", "to": "staging",
            "reason": "intruder", "kind": "tool", "handler": "echo", "event": {"word": "intruder"},
            "jsonrpc": "2.0", "id": 1, "method": "initialize", **more,
        }  # fmt: skip

    def body_of(self, route, **more):
        """The same, without what the route's record does not know, where it is strict."""
        whole, record = self.body(**more), route.takes
        if record is None or not record.__struct_config__.forbid_unknown_fields:
            return whole
        return {name: value for name, value in whole.items() if name in record.__struct_fields__}


async def settle_in(client, name):
    """Give a tenant one of everything."""
    plane = client.plane
    word = f"{name}-private"
    await client.put("secret.txt", SECRET)
    await client.put("name.txt", word.encode())
    signed = await client.sign("sent.txt", SECRET)
    fetch = await plane.json("POST", f"{client.base}/downloads:sign?path=secret.txt", client.token)
    user = await plane.json("POST", "/api/v1/users", client.token, json={"email": f"u@{name}.example"}, status=201)
    token = await plane.json(
        "POST", "/api/v1/tokens", client.token, json={"name": word, "scopes": ["read"]}, status=201
    )
    integration = {"integration": "tower", "name": word, "granted_actions": ["bell.ring"]}
    made = await plane.json("POST", f"{client.api}/integrations", client.token, json=integration, status=201)
    thread = f"{client.base}/memory/thread/t"
    await plane.json(
        "POST", f"{thread}/messages:append", client.token, json={"messages": [{"role": "ai", "content": word}]}
    )
    await plane.json("PUT", f"{thread}/state", client.token, json={"patch": {"word": word}})
    await plane.json("POST", f"{thread}/checkpoint", client.token, json={"state": {"word": word}})
    item = {"namespace": ["n"], "key": "k", "value": {"word": word}}
    await plane.json("POST", f"{client.base}/memory/recall:put", client.token, json=item)
    deployed, special = await deploy_all(client, word)
    ran = await run_all(client, word)
    head = (await plane.json("GET", f"{client.api}/snapshots", client.token))["head"]
    ids = client.made
    parts = {
        "workspace": ids.workspace.id, "project": ids.project.id, "upload": signed["upload_id"], "path": "name.txt",
        "snapshot": head, "connection": made["connection_id"], "action": "bell.ring", "thread": "t", "name": "heads/main",
        "user": user["id"], "token": token["id"], "environment": "dev", "deployment": deployed,
        "execution": ran["id"], "server": "shop",
    }  # fmt: skip
    private = {word, f"@{name}.example", user["token"], token["token"], client.token}
    get_query, put_query = (urlsplit(each["signed_url"]).query for each in (fetch, signed))
    return Belongings(client, parts, get_query, put_query, private, special)


async def deploy_all(client, word):
    """Give a tenant deployments of every kind; return the one that serves, and what routes need for themselves."""
    plane, made = client.plane, []
    await client.put("entry_point.py", word.encode())
    wanted = [("dev", 100), ("dev", 100), ("spare", 100), ("spare", 5), ("prod", 100), ("prod", 100)]
    await plane.json("PUT", f"{client.api}/environments/spare", client.token, json={})
    for number, (environment, weight) in enumerate(wanted):
        if number == 1:
            await client.put("entry_point.py", word.encode() + b"2", 1)
        body = {"environment": environment, "weight": weight, "reason": word}
        made.append(await plane.json("POST", f"{client.api}/deployments", client.token, json=body, status=201))
    special = {
        ":approve": {"deployment": made[4]["id"]},
        ":reject": {"deployment": made[5]["id"]},
        "/canary": {"environment": "spare"},
    }
    return made[1]["id"], special


async def run_all(client, word):
    """Give a tenant an execution; return it."""
    url, asked = f"{client.api}/environments/dev/invocations", {"kind": "tool", "handler": "echo", "event": {"w": word}}
    return await client.plane.json("POST", url, client.token, json=asked)


async def mcp_headers(client):
    """Return what every message but the first has, after the first."""
    headers = {"content-type": "application/json"}
    message = b'{"jsonrpc":"2.0","id":1,"method":"initialize"}'
    url = "/mcp/main/demo/dev/shop"
    begun = await client.plane.ask("POST", url, client.token, body=message, headers=headers)
    return {**headers, "mcp-session-id": begun.header(b"mcp-session-id").decode()}


@pytest.fixture
async def plane(home, run_plane):
    """A plane that runs handlers."""
    handlers = FakeHandlers({"echo": lambda event: event})
    handlers.pages = {"GET /": lambda _: {}, "GET /name.txt": lambda _: {}}
    handlers.servers = {"shop": ["echo"]}
    async with run_plane(home, handlers=handlers) as made:
        yield made


@pytest.fixture
async def both(plane, make_client):
    """Two tenants with one of everything each, by the same names."""
    made = [await settle_in(make_client(plane, await plane.tenant(name)), name) for name in ("acme", "rival")]
    return tuple(made)


def query_of(route, whose):
    return whose.get_query if route.method == "GET" else whose.put_query


async def everything(plane, owner):
    """Return all rows that have to do with a tenant, and its head."""
    ids = {owner.client.made.tenant.id, *owner.parts.values()} - {"name.txt", "bell.ring", "t", "heads/main", "dev"}

    def work(connection):
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = (row for table in tables if table != "outbox" for row in connection.execute(f"SELECT * FROM {table}"))
        return sorted((row for row in rows if ids & set(map(str, row))), key=repr)

    return await plane.assembly._database.read(work), await plane.assembly._files.head(owner.parts["project"])


def test_every_route_is_below_a_mount_and_stands_once():
    for route in ROUTES:
        assert any(route.path.startswith(f"{mount}/") or route.path == mount for mount in MOUNTS), route.path
    assert len(set(IDS)) == len(IDS)
    assert len(IDS) > 40


async def test_without_a_token_or_with_a_wrong_one_nothing_is_answered(plane, both):
    acme, _ = both
    wrong = acme.client.token[:-1] + ("0" if acme.client.token[-1] != "0" else "1")
    before = await everything(plane, acme)
    for route in ROUTES:
        url = acme.signed(route) if route.needs is None else acme.url(route)
        for token in (None, wrong, "aexl_x", "é", acme.client.token[:-1]):
            answered = await plane.ask(route.method, url, token, json=acme.body())
            assert answered.status == (403 if route.needs is None else 401), (route, token)
            assert not leaks(answered, acme), (route, token)
    assert await everything(plane, acme) == before


async def test_another_tenants_token_reaches_nothing_on_any_route(plane, both):
    for owner, other in (both, both[::-1]):
        before = await everything(plane, owner)
        mixed = [
            {},
            {"workspace": other.parts["workspace"]},
            {"project": other.parts["project"]},
            {"workspace": other.parts["workspace"], "project": other.parts["project"]},
        ]
        for route in ROUTES:
            for changed in mixed:
                if route.needs is None:
                    url = f"{owner.signed(route)}?{query_of(route, other)}"
                else:
                    url = owner.url(route, **changed)
                body = other.body_of(route, workspace=owner.parts["workspace"], project=owner.parts["project"])
                token = None if route.needs is None else await fresh(other)
                answered = await plane.ask(route.method, url, token, json=body)
                named = {name: changed.get(name, owner.parts[name]) for name in route.names if name in owner.parts}
                if foreign_in(named, other):
                    assert answered.status in (403, 404), (route, changed, answered)
                assert answered.status < 500, (route, answered)
                assert not leaks(answered, owner), (route, changed, answered)
        assert await everything(plane, owner) == before


async def test_another_tenants_things_by_name_are_ones_own(plane, both):
    """Both have ``main/demo``: a slug means one's own."""
    owner, other = both
    before = await everything(plane, owner)
    for route in ROUTES:
        if route.needs is not None and "workspace" in route.names:
            url = other.url(route, workspace="main", project="demo")
            answered = await plane.ask(route.method, url, await fresh(other), json=other.body_of(route))
            assert not leaks(answered, owner), route
    assert await everything(plane, owner) == before


async def test_a_token_for_one_project_reaches_no_other_of_its_tenant(plane, both):
    owner, _ = both
    client = owner.client
    await plane.json("POST", "/api/v1/workspaces/main/projects", client.token, json={"slug": "aside"}, status=201)
    wanted = {"name": "x", "scopes": ["admin"], "service": True, "workspace": "main", "project": "aside"}
    narrow = (await plane.json("POST", "/api/v1/tokens", client.token, json=wanted, status=201))["token"]
    before = await everything(plane, owner)
    for route in ROUTES:
        if {"project", "upload"} & set(route.names):
            answered = await plane.ask(route.method, owner.url(route), narrow, json=owner.body_of(route))
            assert answered.status == 404, (route, answered)
    assert await everything(plane, owner) == before
    reached = await plane.json("GET", "/v1/auth/me", narrow)
    assert [[p["slug"] for p in w["projects"]] for w in reached["workspaces"]] == [["aside"]]
    for path in ("/api/v1/workspaces", "/api/v1/users"):
        body = {"slug": "new", "email": "new@example.org"}
        assert (await plane.ask("POST", path, narrow, json=body)).status == 400


async def test_the_owner_is_answered_on_every_route(plane, both):
    """What the others are refused exists: without this, the tests above would say nothing."""
    owner, _ = both
    sent = await owner.client.send(f"/v1/blobs/{owner.parts['upload']}/{SHA256}?{owner.put_query}", SECRET)
    assert sent.status == 200
    for route in sorted(ROUTES, key=lambda route: (route.method == "DELETE", route.path == "/api/v1/tokens")):
        headers, body, token = {}, None, owner.client.token
        url = owner.url(route, **({"name": "probes/x"} if route.method != "GET" else {})) if route.needs else ""
        if route.needs is None:
            url, token = f"{owner.signed(route)}?{query_of(route, owner)}", None
            headers, body = {"content-type": "text/plain; charset=utf-8"}, SECRET
        elif route.path.startswith("/store") and route.method == "PUT":
            headers, body = {"if-none-match": "*", "x-aexl-content-sha256": SHA256}, SECRET
        elif route.path.startswith("/mcp"):
            headers = await mcp_headers(owner.client)
        json = None if body else owner.body_of(route, expected_version=0 if "uploads:sign" in route.path else None)
        if route.path.endswith(":rollback"):
            json = {}
        if route.method == "DELETE" and route.path == "/api/v1/tokens":
            url += "?confirm=true"
        answered = await plane.ask(route.method, url, token, json=json, body=body or b"", headers=headers)
        assert answered.status in (200, 201, 204), (route, answered)


def foreign_in(named, other):
    """Say whether a path names something by id that is not the caller's."""
    ids = {"workspace", "project", "upload", "snapshot", "connection", "user", "token", "deployment", "execution"}
    return any(value != other.parts[name] for name, value in named.items() if name in ids)


async def fresh(whose):
    """Return a new admin's token, because a route may end the one that it is asked with."""
    wanted = {"name": "x", "scopes": ["admin"], "service": True}
    return (await whose.client.plane.json("POST", "/api/v1/tokens", whose.client.token, json=wanted, status=201))[
        "token"
    ]


def leaks(answered, whose):
    text = answered.body.decode("utf-8", "replace") + repr(answered.headers)
    return [word for word in whose.private if word in text]
