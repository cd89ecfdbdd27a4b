"""A project's repository as a store over HTTP: what is served, who may do what, and what is refused."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
import trio

from aexl.api import Journal


class Store:
    """One project's store, asked as a pushing client does."""

    def __init__(self, client, token=None):
        self.client = client
        self.token = token or client.token
        self.base = f"/store/{client.made.workspace.slug}/{client.made.project.slug}/blobs"

    async def ask(self, method, name, data=b"", **headers):
        fields = {key.replace("_", "-"): value for key, value in headers.items()}
        if method == "PUT":
            fields.setdefault("x-aexl-content-sha256", hashlib.sha256(data).hexdigest())
        return await self.client.plane.ask(method, f"{self.base}/{name}", self.token, body=data, headers=fields)


@pytest.fixture
def store(client):
    return Store(client)


def pack_of(data):
    return f"packs/{hashlib.sha256(data).hexdigest()}.pack"


async def test_a_blob_is_written_once_and_read_whole_and_in_ranges(store):
    data = b"0123456789"
    name = pack_of(data)
    put = await store.ask("PUT", name, data, if_none_match="*")
    got = await store.ask("GET", name)
    head = await store.ask("HEAD", name)

    assert (put.status, got.status, got.body) == (201, 200, data)
    assert put.header(b"etag") == got.header(b"etag") == head.header(b"etag")
    assert (await store.ask("PUT", name, data, if_none_match="*")).status == 412
    for wanted, body in (("bytes=2-4", b"234"), ("bytes=8-", b"89"), ("bytes=8-100", b"89"), ("bytes=9-9", b"9")):
        ranged = await store.ask("GET", name, range=wanted)
        assert (ranged.status, ranged.body) == (206, body)
    assert (await store.ask("GET", name, range="bytes=10-")).status == 416
    assert (await store.ask("GET", name, range="bytes=5-4")).status == 400


async def test_a_name_is_replaced_only_from_the_version_that_was_read(store):
    first = await store.ask("PUT", "probes/x", b"1", if_none_match="*")
    tag = first.header(b"etag").decode()
    second = await store.ask("PUT", "probes/x", b"2", if_match=tag)
    assert (first.status, second.status) == (201, 200)
    assert second.header(b"etag").decode() != tag
    assert (await store.ask("PUT", "probes/x", b"3", if_match=tag)).status == 412
    assert (await store.ask("PUT", "probes/y", b"3", if_match=tag)).status == 412
    assert (await store.ask("PUT", "probes/x", b"3", if_none_match="*")).status == 412
    assert (await store.ask("GET", "probes/x")).body == b"2"


async def test_of_many_who_replace_a_name_at_once_one_wins(store):
    tag = (await store.ask("PUT", "probes/x", b"0", if_none_match="*")).header(b"etag").decode()
    statuses = []

    async def move(n):
        statuses.append((await store.ask("PUT", "probes/x", str(n).encode(), if_match=tag)).status)

    async with trio.open_nursery() as nursery:
        for n in range(1, 9):
            nursery.start_soon(move, n)
    assert sorted(statuses) == [200] + [412] * 7


async def test_a_write_says_what_must_be_there_and_has_the_hash_that_it_says(store):
    assert (await store.ask("PUT", "probes/x", b"1")).status == 428
    for wrong in ("0" * 64, "", hashlib.sha256(b"2").hexdigest()):
        answered = await store.ask("PUT", "probes/x", b"1", if_none_match="*", x_aexl_content_sha256=wrong)
        assert (answered.status, b"hash_mismatch" in answered.body) == (400, True)
    answered = await store.ask("PUT", pack_of(b"other"), b"1", if_none_match="*")
    assert (answered.status, b"hash_mismatch" in answered.body) == (400, True)
    assert (await store.ask("GET", "probes/x")).status == 404


async def test_only_names_of_the_format_are_served(home, client, store):
    await client.put("a", b"1")
    repository = home / "repositories" / client.made.project.id
    (repository / "remotes.json").write_text("{}")
    there = sorted(path.relative_to(repository).as_posix() for path in repository.rglob("*") if path.is_file())
    names = [
        "remotes.json", "lock", "swap.lock", "tmp/x", "kept/x", "../plane.db", "..%2f..%2fplane.db", "/etc/passwd",
        "heads/../lock", "heads/a/b", "heads/", "heads/.x", "packs/x.pack", "format/x", "heads/x%00", "heads/é",
        "indexes/x", "damaged/x",
    ]  # fmt: skip
    for name in names:
        for method in ("GET", "PUT", "DELETE"):
            answered = await store.ask(method, name, b"1" if method == "PUT" else b"", if_none_match="*")
            assert answered.status == 404, (method, name)
    listed = await client.plane.json("GET", store.base, client.token)

    assert sorted(p.relative_to(repository).as_posix() for p in repository.rglob("*") if p.is_file()) == there
    assert {name.partition("/")[0] for name in listed["names"]} == {"format", "heads", "packs"}
    for prefix in ("../", "/etc", "..%2f"):
        assert (await client.plane.ask("GET", f"{store.base}?prefix={prefix}", client.token)).status == 400


async def test_a_long_list_comes_in_pages(client, store):
    names = [f"probes/{n:04}" for n in range(1001)]
    folder = client.plane.host.data_dir / "repositories" / client.made.project.id / "probes"
    await store.ask("GET", "format")
    folder.mkdir()
    for name in names:
        (folder / name.removeprefix("probes/")).write_bytes(b"x")
    page = await client.plane.json("GET", f"{store.base}?prefix=probes/", client.token)
    rest = await client.plane.json("GET", f"{store.base}?prefix=probes/&after={page['next']}", client.token)
    assert page["names"] + rest["names"] == names
    assert (len(page["names"]), rest["next"]) == (1000, None)


async def test_history_is_removed_by_who_may_manage_the_tenant_only(client, store):
    body = {"name": "w", "scopes": ["write"]}
    made = await client.plane.json("POST", "/api/v1/tokens", client.token, json=body, status=201)
    writer = Store(client, made["token"])
    reader_body = {"name": "r", "scopes": ["read"]}
    made = await client.plane.json("POST", "/api/v1/tokens", client.token, json=reader_body, status=201)
    reader = Store(client, made["token"])
    data = b"1"
    assert (await reader.ask("PUT", pack_of(data), data, if_none_match="*")).status == 403
    assert (await writer.ask("PUT", pack_of(data), data, if_none_match="*")).status == 201
    assert (await writer.ask("PUT", "probes/x", data, if_none_match="*")).status == 201
    assert (await reader.ask("GET", pack_of(data))).status == 200
    for name in (pack_of(data), "heads/main", "tags/v1", "gc/lease", "format"):
        assert (await writer.ask("DELETE", name)).status == 403
    assert (await reader.ask("DELETE", "probes/x")).status == 403
    assert (await writer.ask("DELETE", "probes/x")).status == 204
    assert (await writer.ask("DELETE", "probes/x")).status == 204
    assert (await store.ask("DELETE", pack_of(data))).status == 204
    assert (await store.ask("GET", pack_of(data))).status == 404


async def test_a_blob_of_the_limit_is_taken_and_one_byte_more_is_not(store, monkeypatch):
    from aexl_plane.http import store as module

    monkeypatch.setattr(module, "LARGEST", 10)
    assert (await store.ask("PUT", "probes/x", b"0123456789", if_none_match="*")).status == 201
    answered = await store.ask("PUT", "probes/y", b"0123456789x", if_none_match="*")
    assert (answered.status, b"body_too_large" in answered.body) == (413, True)
    monkeypatch.setattr(module, "LARGEST", 4)
    ranged = await store.ask("GET", "probes/x", range="bytes=1-")
    assert (ranged.status, ranged.body) == (206, b"1234")


async def test_the_ledger_hears_who_moved_a_head(home, run_plane, make_client):
    async with run_plane(home, others=("snapshots", "ledger")) as plane:
        client = make_client(plane, await plane.tenant())
        await client.put("a", b"1")
        store = Store(client)
        record = await store.ask("GET", "heads/main")
        await store.ask("PUT", "heads/second", record.body, if_none_match="*")
        events = await plane.host.service(Journal).read(0, 100)
    [event] = [event for event in events if event["kind"] == "plane.pushed"]
    assert event["data"]["head"] == "second"
    assert event["data"]["by"] == "owner@acme.example"


def record_with(body, **changed):
    """Return a head's record with other values, as the format's page has it."""
    line = msgspec.json.encode({**msgspec.json.decode(body.split(b"\n")[0]), **changed}, order="sorted")
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


async def test_a_head_that_names_what_was_not_sent_is_refused_and_stays(client, store):
    """One writer must not be able to spoil a project for the others."""
    await client.put("a", b"1")
    now = await store.ask("GET", "heads/main")
    tag = now.header(b"etag").decode()
    assert record_with(now.body) == now.body
    wrong = [
        b"garbage",
        b"",
        now.body[:-1],
        record_with(now.body, snapshot="f" * 64),
        record_with(now.body, packs=[["f" * 64, 100]]),
        record_with(now.body, snapshot=hashlib.sha256(b"1").hexdigest()),
    ]
    for body in wrong:
        for name, condition in (("heads/main", {"if_match": tag}), ("tags/v1", {"if_none_match": "*"})):
            answered = await store.ask("PUT", name, body, **condition)
            assert (answered.status, msgspec.json.decode(answered.body)["error"]["code"]) == (400, "invalid_value")
    assert (await store.ask("GET", "heads/main")).body == now.body
    assert await client.fetch("a") == b"1"
    for name, condition in (("heads/main", {"if_match": tag}), ("tags/v1", {"if_none_match": "*"})):
        assert (await store.ask("PUT", name, record_with(now.body, time=1), **condition)).status in (200, 201)
