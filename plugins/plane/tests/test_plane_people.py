"""Tenants, users and tokens: who is who, what ends when, and what the ledger hears of it."""

from __future__ import annotations

import time

import msgspec
import pytest

from aexl.api import Journal
from aexl.errors import Conflict, Invalid, NotFound, Refused
from aexl_plane import names, tokens
from aexl_plane.roles import Tenants
from aexl_plane.tenancy import MINTED_HERE


def code(answer):
    return answer["error"]["code"]


async def test_the_first_tenant_is_made_once(plane):
    role = plane.host.service(Tenants)
    made = await role.bootstrap("one", "a@b.example", "main", "demo", first=True)
    assert (made.tenant.name, made.workspace.slug, made.project.slug) == ("one", "main", "demo")
    with pytest.raises(Conflict, match="has a tenant already"):
        await role.bootstrap("two", "a@b.example", "main", "demo", first=True)
    with pytest.raises(Conflict, match="'one'"):
        await role.bootstrap("one", "a@b.example", "main", "demo", first=False)
    await role.bootstrap("two", "a@b.example", "main", "demo", first=False)
    assert [each.name for each in await role.list()] == ["one", "two"]


async def test_a_tenant_that_cannot_be_made_whole_is_not_made_at_all(plane):
    role = plane.host.service(Tenants)
    for wrong in (("x", "no address", "main", "demo"), ("x", "a@b.c", "Main", "demo"), ("x", "a@b.c", "main", "")):
        with pytest.raises(Invalid):
            await role.bootstrap(*wrong, first=False)
    assert await role.list() == []


async def test_everything_is_there_after_a_restart(home, run_plane):
    async with run_plane(home) as plane:
        made = await plane.tenant()
    async with run_plane(home) as plane:
        me = await plane.json("GET", "/v1/auth/me", made.token)
    assert me["workspaces"][0]["projects"][0]["id"] == made.project.id


async def test_of_a_token_only_the_hash_is_kept(home, plane):
    made = await plane.tenant()
    secret = made.token.rpartition("_")[2]
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert made.tenant.id.encode() in kept
    assert secret.encode() not in kept
    assert (home / "plane.db").stat().st_mode & 0o077 == 0


async def test_a_token_ends_when_it_is_revoked_and_when_its_time_has_come(plane, client, monkeypatch):
    wanted = {"name": "short", "scopes": ["read"], "ttl_seconds": 60}
    short = await plane.json("POST", "/api/v1/tokens", client.token, json=wanted, status=201)
    other = await plane.json("POST", "/api/v1/tokens", client.token, json={"name": "x", "scopes": ["read"]}, status=201)
    assert (await plane.json("DELETE", f"/api/v1/tokens/{other['id']}", client.token))["revoked"] == [other["id"]]
    assert code(await plane.json("GET", "/v1/auth/me", other["token"], status=401)) == "invalid_token"
    assert code(await plane.json("DELETE", f"/api/v1/tokens/{other['id']}", client.token, status=404)) == "not_found"

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 59)
    await plane.json("GET", "/v1/auth/me", short["token"])
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert code(await plane.json("GET", "/v1/auth/me", short["token"], status=401)) == "expired_token"


async def test_a_token_makes_no_token_that_can_do_more_or_lives_longer(plane, client):
    wanted = {"name": "w", "scopes": ["write"], "ttl_seconds": 60}
    writer = (await plane.json("POST", "/api/v1/tokens", client.token, json=wanted, status=201))["token"]
    for scopes in (["admin"], ["execute"], ["write", "admin"], [], ["root"]):
        body = {"name": "more", "scopes": scopes}
        assert code(await plane.json("POST", "/api/v1/tokens", writer, json=body, status=400)) == "invalid_value"
    body = {"name": "service", "scopes": ["read"], "service": True}
    assert code(await plane.json("POST", "/api/v1/tokens", writer, json=body, status=400)) == "invalid_value"
    child = await plane.json("POST", "/api/v1/tokens", writer, json={"name": "c", "scopes": ["read"]}, status=201)
    assert child["expires"] is not None


@pytest.mark.parametrize("ttl", [0, -1, 11 * 366 * 86_400, "60"])
async def test_a_time_to_live_is_above_zero_and_at_most_ten_years(plane, client, ttl):
    body = {"name": "x", "scopes": ["read"], "ttl_seconds": ttl}
    assert code(await plane.json("POST", "/api/v1/tokens", client.token, json=body, status=400)) == "invalid_value"


async def test_a_user_is_no_more_than_the_tenant_lets_them_and_ends_with_all_their_tokens(plane, client):
    user = await plane.json(
        "POST", "/api/v1/users", client.token, json={"email": "bob@x.example", "scopes": ["write"]}, status=201
    )
    body = {"name": "more", "scopes": ["read"]}
    second = await plane.json("POST", "/api/v1/tokens", user["token"], json=body, status=201)
    listed = await plane.json("GET", "/api/v1/tokens", user["token"])

    assert len(listed["tokens"]) == 2
    assert code(await plane.json("GET", "/api/v1/users", user["token"], status=403)) == "scope_missing"
    assert (
        code(await plane.json("POST", "/api/v1/users", client.token, json={"email": "bob@x.example"}, status=409))
        == "conflict"
    )
    await plane.json("DELETE", "/api/v1/users/bob@x.example", client.token)
    for token in (user["token"], second["token"]):
        await plane.json("GET", "/v1/auth/me", token, status=401)
    again = await plane.json("POST", "/api/v1/users", client.token, json={"email": "bob@x.example"}, status=201)
    assert again["id"] != user["id"]


async def test_the_last_who_may_manage_a_tenant_cannot_be_removed(plane, client):
    url = f"/api/v1/users/{client.made.user.id}"
    assert code(await plane.json("DELETE", url, client.token, status=409)) == "conflict"
    await plane.json(
        "POST", "/api/v1/users", client.token, json={"email": "b@x.example", "scopes": ["admin"]}, status=201
    )
    await plane.json("DELETE", url, client.token)
    await plane.json("GET", "/v1/auth/me", client.token, status=401)


async def test_ones_last_token_that_may_admin_ends_only_if_that_is_confirmed(plane, client):
    async def mint(name, **more):
        wanted = {"name": name, "scopes": ["admin"], **more}
        return await plane.json("POST", "/api/v1/tokens", client.token, json=wanted, status=201)

    tokens = "/api/v1/tokens"
    own = f"{tokens}/{client.token.split('_')[1]}"
    narrow, service = await mint("narrow", workspace="main"), await mint("ci", service=True)
    for url in (own, tokens, f"{own}?confirm=false"):
        answer = await plane.json("DELETE", url, client.token, status=409)
        assert "your last token that may admin" in answer["error"]["message"]
    await plane.json("DELETE", f"{own}?confirm=perhaps", client.token, status=400)
    await plane.json("DELETE", f"{tokens}/{narrow['id']}", client.token)
    await plane.json("DELETE", own, service["token"])
    await plane.json("GET", "/api/v1/me", client.token, status=401)
    await plane.json("DELETE", f"{tokens}/{service['id']}", service["token"], status=409)
    await plane.json("DELETE", f"{tokens}/{service['id']}?confirm=true", service["token"])


async def test_another_token_that_may_admin_lets_one_end(plane, client):
    wanted = {"name": "second", "scopes": ["admin"]}
    second = await plane.json("POST", "/api/v1/tokens", client.token, json=wanted, status=201)
    await plane.json("DELETE", f"/api/v1/tokens/{client.token.split('_')[1]}", client.token)
    await plane.json("DELETE", "/api/v1/tokens", second["token"], status=409)


async def test_who_may_not_admin_ends_their_tokens_without_a_question(plane, client):
    bob = await plane.json("POST", "/api/v1/users", client.token, json={"email": "bob@x.example"}, status=201)
    assert (await plane.json("DELETE", "/api/v1/tokens", bob["token"]))["revoked"] == 1


async def test_on_the_servers_machine_an_owner_gets_another_token(home, run_plane):
    async with run_plane(home, others=("snapshots", "ledger")) as plane:
        made = await plane.tenant()
        await plane.json("POST", "/api/v1/users", made.token, json={"email": "bob@x.example"}, status=201)
        await plane.json("DELETE", "/api/v1/tokens?confirm=true", made.token)
        role = plane.host.service(Tenants)
        for name, email in (("acme", None), (made.tenant.id, made.user.email)):
            found = await role.mint(name, email)
            assert (found.tenant, found.user) == (made.tenant, made.user)
            assert (await plane.json("GET", "/api/v1/me", found.token))["scopes"] == [
                "read",
                "write",
                "execute",
                "admin",
            ]
        for wrong in (("rival", None), ("acme", "bob@x.example"), ("acme", "")):
            with pytest.raises(NotFound):
                await role.mint(*wrong)
        told = [e["data"] for e in await plane.host.service(Journal).read(0, 100) if e["kind"] == "plane.token_minted"]
    minted = {"tenant": made.tenant.id, "name": MINTED_HERE, "user": made.user.id, "scopes": "admin"}
    assert minted.items() <= told[-1].items()


async def test_all_of_ones_own_tokens_end_at_once_and_nobody_elses(plane, client):
    body = {"name": "x", "scopes": ["read"]}
    mine = (await plane.json("POST", "/api/v1/tokens", client.token, json=body, status=201))["token"]
    service = (await plane.json("POST", "/api/v1/tokens", client.token, json={**body, "service": True}, status=201))[
        "token"
    ]
    assert (await plane.json("DELETE", "/api/v1/tokens?confirm=true", client.token))["revoked"] == 2
    for token, status in ((client.token, 401), (mine, 401), (service, 200)):
        await plane.json("GET", "/v1/auth/me", token, status=status)


async def test_slugs_and_names_are_held_to_their_form_and_are_unique(plane, client):
    for slug in ("", "A", "-a", "a-", "a_b", "a" * 64, "ä", "a/b", ".."):
        assert (
            code(await plane.json("POST", "/api/v1/workspaces", client.token, json={"slug": slug}, status=400))
            == "invalid_value"
        )
    await plane.json("POST", "/api/v1/workspaces", client.token, json={"slug": "a" * 63}, status=201)
    assert (
        code(await plane.json("POST", "/api/v1/workspaces", client.token, json={"slug": "main"}, status=409))
        == "conflict"
    )
    projects = "/api/v1/workspaces/main/projects"
    assert code(await plane.json("POST", projects, client.token, json={"slug": "demo"}, status=409)) == "conflict"
    body = {"slug": "x", "name": "a\nb"}
    assert code(await plane.json("POST", projects, client.token, json=body, status=400)) == "invalid_value"


async def test_the_ledger_hears_of_every_change_once_and_of_none_that_was_undone(home, run_plane, make_client):
    async with run_plane(home, others=("snapshots", "ledger")) as plane:
        client = make_client(plane, await plane.tenant())
        await plane.json("POST", "/api/v1/workspaces", client.token, json={"slug": "main"}, status=409)
        user = await plane.json("POST", "/api/v1/users", client.token, json={"email": "b@x.example"}, status=201)
        await plane.json("DELETE", "/api/v1/users/b@x.example", client.token)
        await client.put("a", b"1")
        await client.delete("a")
        events = [e for e in await plane.host.service(Journal).read(0, 100) if e["kind"].startswith("plane.")]
    async with run_plane(home, others=("snapshots", "ledger")) as plane:
        after = [e for e in await plane.host.service(Journal).read(0, 100) if e["kind"].startswith("plane.")]

    assert [event["kind"].removeprefix("plane.") for event in events] == [
        "tenant_created", "user_created", "workspace_created", "project_created", "token_minted", "user_created",
        "token_minted", "user_removed", "file_committed", "file_deleted",
    ]  # fmt: skip
    assert after == events
    assert user["token"] not in repr(events)


async def test_what_the_ledger_could_not_hear_it_hears_at_the_next_start(home, run_plane):
    async with run_plane(home, others=("snapshots", "ledger")) as plane:
        database = plane.assembly._database
        database._journal = _Deaf
        await plane.tenant()
        assert not [e for e in await plane.host.service(Journal).read(0, 100) if e["kind"].startswith("plane.")]
        database._told = 0
    async with run_plane(home, others=("snapshots", "ledger")) as plane:
        events = [e for e in await plane.host.service(Journal).read(0, 100) if e["kind"].startswith("plane.")]
    assert len(events) == 5


class _Deaf:
    async def append(self, kind, subject, data):
        raise Refused("the disk is full", code="disk_full", status=503)


async def test_a_database_of_a_newer_aexl_is_left_alone(home, run_plane):
    import apsw

    async with run_plane(home):
        pass
    connection = apsw.Connection(str(home / "plane.db"))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BaseExceptionGroup) as caught:
        async with run_plane(home):
            pytest.fail("it started")
    assert "newer aexl" in repr(caught.value)


def test_rights_include_what_they_should_and_no_more():
    def covers(held, needed):
        return names.covers(frozenset(held), needed)

    assert all(covers(["admin"], right) for right in names.RIGHTS)
    assert [right for right in names.RIGHTS if covers(["write"], right)] == ["read", "write"]
    assert [right for right in names.RIGHTS if covers(["execute"], right)] == ["read", "execute"]
    assert [right for right in names.RIGHTS if covers(["read"], right)] == ["read"]
    assert not any(covers([], right) for right in names.RIGHTS)


def test_a_token_of_another_form_is_refused_without_a_look_anywhere():
    minted = tokens.mint()
    assert tokens.take_apart(minted.text) == (minted.id, minted.digest)
    for wrong in ("", "aexl", "aexl_1_2", minted.text.upper(), minted.text + "0", minted.text + "\n", "aexl_%s_%s"):
        with pytest.raises(Refused):
            tokens.take_apart(wrong)


def test_the_token_of_a_request_is_found_in_its_header():
    for headers in ([(b"authorization", b"Bearer t")], [(b"authorization", b"bearer  t")], [(b"x-api-token", b"t")]):
        assert tokens.find_token(headers) == "t"
    for headers in ([], [(b"authorization", b"Basic t")], [(b"x-api-token", b"")], [(b"cookie", b"t")]):
        with pytest.raises(Refused):
            tokens.find_token(headers)
    assert msgspec.json.encode(tokens.unknown_token().code) == b'"invalid_token"'


async def test_the_health_check_says_when_the_database_cannot_be_asked(plane):
    assert await plane.assembly.health() is None
    await plane.assembly._database.close()
    assert "not open" in str(await plane.assembly.health())
