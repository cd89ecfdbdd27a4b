"""Files as today's clients send, fetch and delete them."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import msgspec
import pytest
import trio

from aexl.api import FileEdit, Repositories

ESCAPES = [
    "../escaped.txt",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    "./a",
    "a/.",
    "a\\b",
    "C:/x",
    "a\nb",
    "a\x00b",
    ".git/config",
    "a/.GIT/hooks",
    ".aexl/x",
    "a" * 256,
    "/".join("a" * 200 for _ in range(30)),
]


def code(answer):
    return answer["error"]["code"]


async def test_a_file_that_was_signed_sent_and_committed_is_listed_and_fetched(client):
    made = await client.put("src/a b/é?#.txt", b"hello")
    [file] = (await client.files()).values()

    assert (made["path"], made["version"]) == ("src/a b/é?#.txt", 1)
    assert file["path"] == "src/a b/é?#.txt"
    assert (file["version"], file["sha256"]) == (1, hashlib.sha256(b"hello").hexdigest())
    assert await client.fetch("src/a b/é?#.txt") == b"hello"


async def test_both_ways_of_sending_a_token_are_taken_and_two_that_differ_are_not(plane, client):
    url = "/v1/auth/me"
    bearer, custom = {"authorization": f"Bearer {client.token}"}, {"x-api-token": client.token}
    for headers in (bearer, custom, {**bearer, **custom}):
        assert (await plane.ask("GET", url, headers=headers)).status == 200
    answered = await plane.ask("GET", url, headers={**bearer, "x-api-token": client.token[:-1] + "0"})
    assert answered.status == 401
    assert code(msgspec.json.decode(answered.body)) == "conflicting_tokens"


async def test_me_has_what_a_login_needs(plane, client):
    me = await plane.json("GET", "/v1/auth/me", client.token)
    [workspace] = me["workspaces"]
    [project] = workspace["projects"]

    assert (me["email"], me["tenant_name"]) == ("owner@acme.example", "acme")
    assert me["id"] == me["user_id"] == client.made.user.id
    assert me["tenant_id"] == client.made.tenant.id
    assert me["scopes"] == ["read", "write", "execute", "admin"]
    assert (workspace["id"], workspace["slug"]) == (client.made.workspace.id, "main")
    assert (project["id"], project["slug"]) == (client.made.project.id, "demo")


async def test_an_empty_file_is_a_file(client):
    await client.put("empty", b"")
    assert await client.fetch("empty") == b""
    assert (await client.files())["empty"]["size_bytes"] == 0


async def test_each_change_is_one_version_more(client):
    assert (await client.put("a", b"1", 0))["version"] == 1
    assert (await client.put("a", b"2", 1))["version"] == 2
    assert (await client.put("b", b"2", 0))["version"] == 1


async def test_a_file_that_must_not_be_there_is_refused_when_it_is(client):
    await client.put("a", b"1")
    assert code(await client.sign("a", b"2", 0, status=409)) == "version_conflict"
    assert code(await client.sign("new", b"2", 3, status=409)) == "version_conflict"
    assert await client.fetch("a") == b"1"


async def test_a_file_that_comes_back_begins_at_zero_for_its_client_and_never_has_an_old_version_again(client):
    await client.put("a", b"1")
    assert (await client.delete("a"))["deleted"] is True
    assert await client.files() == {}
    again = await client.put("a", b"2", 0)
    assert again["version"] > 1
    assert code(await client.sign("a", b"3", 1, status=409)) == "version_conflict"


async def test_a_deletion_answers_with_json_and_of_what_is_not_there_404(client):
    await client.put("d/a b", b"1")
    assert (await client.delete("d/a b"))["path"] == "d/a b"
    assert code(await client.delete("d/a b", status=404)) == "not_found"


async def test_a_deletion_may_name_the_version_that_it_means(plane, client):
    await client.put("a", b"1")
    url = f"{client.base}/files/a?expected_version="
    assert code(await plane.json("DELETE", f"{url}2", client.token, status=409)) == "version_conflict"
    assert code(await plane.json("DELETE", f"{url}x", client.token, status=400)) == "invalid_value"
    assert (await plane.json("DELETE", f"{url}1", client.token))["deleted"]


async def test_of_two_who_signed_the_same_version_the_second_to_commit_is_refused(client):
    first, second = await client.sign("a", b"one"), await client.sign("a", b"two")
    await client.send(first["signed_url"], b"one")
    await client.send(second["signed_url"], b"two")

    assert (await client.commit(second["upload_id"]))["version"] == 1
    assert code(await client.commit(first["upload_id"], status=409)) == "version_conflict"
    assert await client.fetch("a") == b"two"


async def test_of_many_who_write_one_file_at_once_one_wins(client):
    signed = [(await client.sign("a", str(n).encode()), str(n).encode()) for n in range(8)]
    won = []

    async def write(one, data):
        await client.send(one["signed_url"], data)
        url = f"/v1/uploads/{one['upload_id']}:commit"
        if (await client.plane.ask("POST", url, client.token, json={})).status == 200:
            won.append(data)

    async with trio.open_nursery() as nursery:
        for one, data in signed:
            nursery.start_soon(write, one, data)

    assert len(won) == 1
    assert await client.fetch("a") == won[0]


async def test_many_who_write_different_files_at_once_all_succeed(client):
    async def write(n):
        await client.put(f"f{n}", str(n).encode())

    async with trio.open_nursery() as nursery:
        for n in range(8):
            nursery.start_soon(write, n)
    assert sorted(await client.files()) == [f"f{n}" for n in range(8)]


async def test_a_commit_without_a_content_is_refused_and_goes_through_when_it_has_come(client):
    signed = await client.sign("a", b"1")
    assert code(await client.commit(signed["upload_id"], status=409)) == "upload_missing"
    await client.send(signed["signed_url"], b"1")
    assert (await client.commit(signed["upload_id"]))["version"] == 1


async def test_a_commit_that_is_repeated_has_the_same_answer(client):
    signed = await client.sign("a", b"1")
    await client.send(signed["signed_url"], b"1")
    first = await client.commit(signed["upload_id"])
    await client.put("b", b"2")

    assert await client.commit(signed["upload_id"]) == first
    assert (await client.send(signed["signed_url"], b"1")).status == 200


async def test_a_commit_whose_answer_was_lost_in_a_crash_is_no_conflict(client):
    """The head has moved and the upload is not marked as committed: as if the server had died between the two."""
    signed = await client.sign("a", b"1")
    await client.send(signed["signed_url"], b"1")
    files = client.plane.assembly._files
    settle = files._settle
    files._settle = _dies
    with pytest.raises(RuntimeError):
        await client.commit(signed["upload_id"])
    files._settle = settle

    assert (await client.files())["a"]["version"] == 1
    assert (await client.commit(signed["upload_id"]))["version"] == 1


async def _dies(*_):
    raise RuntimeError("kill -9")


async def test_an_upload_that_nobody_has_signed_cannot_be_committed(client):
    assert code(await client.commit("up_0000", status=404)) == "not_found"
    assert code(await client.commit("..%2f..%2fx", status=404)) == "not_found"


async def test_a_content_that_is_not_what_was_signed_is_refused_and_leaves_nothing(client, home):
    signed = await client.sign("a", b"hello")
    for data, problem in NOT_HELLO:
        answered = await client.send(signed["signed_url"], data)
        assert (answered.status, code(msgspec.json.decode(answered.body))) == (400, problem)
        assert list((home / "uploads").iterdir()) == []
        assert code(await client.commit(signed["upload_id"], status=409)) == "upload_missing"


async def test_a_content_of_another_type_than_was_signed_is_refused(client):
    signed = await client.sign("a", b"1")
    assert (await client.send(signed["signed_url"], b"1", "text/html")).status == 400


async def test_a_content_may_come_in_pieces_and_be_larger_than_is_held(client):
    data = bytes(range(256)) * 10_000
    signed = await client.sign("big", data)
    pieces = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    assert (await client.send(signed["signed_url"], pieces)).status == 200
    await client.commit(signed["upload_id"])
    assert await client.fetch("big") == data


async def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(home, run_plane, make_client):
    async with run_plane(home, "[plane]\nfile_bytes = 10\n") as plane:
        client = make_client(plane, await plane.tenant())
        await client.put("a", b"0123456789")
        assert code(await client.sign("b", b"0123456789x", status=413)) == "body_too_large"


async def test_no_more_uploads_wait_than_may(home, run_plane, make_client):
    async with run_plane(home, "[plane]\nuploads = 2\n") as plane:
        client = make_client(plane, await plane.tenant())
        await client.put("done", b"0")
        for name in ("a", "b"):
            await client.sign(name, b"1")
        assert code(await client.sign("c", b"1", status=429)) == "too_many_uploads"


async def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_sent(client):
    for path in ESCAPES:
        assert code(await client.sign(path, b"1", status=400)) == "invalid_value", path


async def test_paths_that_are_one_to_some_file_system_are_not_both_taken(client):
    await client.put("README", b"1")
    signed = await client.sign("readme", b"2")
    await client.send(signed["signed_url"], b"2")
    assert code(await client.commit(signed["upload_id"], status=400)) == "invalid_value"
    signed = await client.sign("README/x", b"2")
    await client.send(signed["signed_url"], b"2")
    assert code(await client.commit(signed["upload_id"], status=400)) == "invalid_value"
    assert list(await client.files()) == ["README"]


NOT_HELLO = [
    (b"hellO", "hash_mismatch"),
    (b"hell", "length_mismatch"),
    (b"hello!", "length_mismatch"),
    ([b"hel", b"lo", b"!"], "length_mismatch"),
    (b"", "length_mismatch"),
]

WRONG = [
    {"sha256": "x" * 64},
    {"sha256": "A" * 64},
    {"sha256": "../../etc"},
    {"size_bytes": -1},
    {"size_bytes": "1"},
    {"expected_version": -1},
    {"expected_version": None},
    {"content_type": "a\r\nset-cookie: x"},
    {"content_type": ""},
]


async def test_a_wrong_announcement_is_refused(client):
    for wrong in WRONG:
        assert code(await client.sign("a", b"1", status=400, **wrong)) == "invalid_value", wrong


async def test_a_body_that_is_no_json_is_refused(client):
    for body in (b"{", b"[]", b"\xff", b'{"a":1}{'):
        answered = await client.plane.ask("POST", f"{client.base}/uploads:sign?path=a", client.token, body=body)
        assert answered.status == 400


async def test_every_commit_is_a_snapshot_and_every_one_can_be_seen_and_restored(plane, client):
    for version, data in enumerate((b"1", b"2", b"3")):
        await client.put("a", data, version)
    await client.put("b", b"1")
    await client.delete("a")
    log = (await plane.json("GET", f"{client.api}/snapshots", client.token))["snapshots"]
    second = log[-2]["id"]
    listed = await plane.json("GET", f"{client.api}/snapshots/{second}/files", client.token)
    content = await plane.ask("GET", f"{client.api}/snapshots/{second}/files/a", client.token)
    diff = await plane.json("GET", f"{client.api}/snapshots/{second}/diff", client.token)

    assert [each["message"] for each in log] == ["Delete a", "Put b", "Put a", "Put a", "Put a"]
    assert [each["parents"] for each in log] == [[each["id"]] for each in log[1:]] + [[]]
    assert {each["author"] for each in log} == {"owner@acme.example"}
    assert [each["path"] for each in listed["files"]] == ["a"]
    assert content.body == b"2"
    assert [(each["kind"], each["path"]) for each in diff["changes"]] == [("removed", "a"), ("added", "b")]

    await plane.json("POST", f"{client.api}/snapshots/{second}:restore", client.token)
    assert await client.fetch("a") == b"2"
    assert list(await client.files()) == ["a"]
    assert (await client.files())["a"]["version"] > 3
    assert len((await plane.json("GET", f"{client.api}/snapshots", client.token))["snapshots"]) == 6


async def test_a_snapshot_that_is_not_the_projects_is_not_there(plane, client):
    await client.put("a", b"1")
    for name in ("f" * 64, "zz", "..", "main~1", "a" * 63):
        for what in ("files", "files/a", "diff"):
            url = f"{client.api}/snapshots/{quote(name, safe='')}/{what}"
            assert code(await plane.json("GET", url, client.token, status=404)) == "not_found"


async def test_what_others_push_into_the_repository_is_seen_with_new_versions(home, plane, client):
    await client.put("a", b"1")
    await client.put("b", b"1")
    signed = await client.sign("a", b"late", 1)
    await client.send(signed["signed_url"], b"late")
    repositories = plane.host.service(Repositories)
    head = (await repositories.heads(client.made.project.id))["main"]
    (home / "new").write_bytes(b"pushed")
    edits = [FileEdit(path="a", source=str(home / "new")), FileEdit(path="b", source=None)]
    await repositories.commit(client.made.project.id, "main", head, head, edits, "somebody", "pushed")

    assert code(await client.commit(signed["upload_id"], status=409)) == "version_conflict"
    assert {path: file["version"] for path, file in (await client.files()).items()} == {"a": 2}
    assert await client.fetch("a") == b"pushed"


async def test_a_token_that_may_only_look_changes_nothing(plane, client):
    await client.put("a", b"1")
    token = (
        await plane.json("POST", "/api/v1/tokens", client.token, json={"name": "x", "scopes": ["read"]}, status=201)
    )["token"]
    reader = type(client)(plane, client.made, token)
    assert await reader.fetch("a") == b"1"
    assert code(await reader.sign("b", b"1", status=403)) == "scope_missing"
    assert code(await reader.delete("a", status=403)) == "scope_missing"
