"""An application's memory: threads, state, checkpoints, recall."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest


def code(answer):
    return answer["error"]["code"]


class Memory:
    """What the SDK asks for, of one project."""

    def __init__(self, client):
        self.client = client

    async def __call__(self, method, path, json=None, status=200):
        url = f"{self.client.base}/memory/{path}"
        return await self.client.plane.json(method, url, self.client.token, json=json, status=status)

    async def say(self, thread, *texts, **more):
        messages = [{"role": "human", "content": text, "meta": {"n": 1}} for text in texts]
        return await self(
            "POST", f"thread/{quote(thread, safe=':@-._~')}/messages:append", {"messages": messages, **more}
        )

    async def put(self, namespace, key, value=None, **more):
        return await self("POST", "recall:put", {"namespace": namespace, "key": key, "value": value or {}, **more})

    async def found(self, namespace, **more):
        answer = await self("POST", "recall:search", {"namespace": namespace, **more})
        return [(item["namespace"], item["key"]) for item in answer["items"]]


@pytest.fixture
def memory(client):
    return Memory(client)


async def test_a_thread_has_its_messages_in_order_and_gives_the_latest(memory):
    await memory.say("user:42/session é", "one", "two")
    wrote = await memory.say("user:42/session é", "three")
    read = await memory("GET", f"thread/{quote('user:42/session é', safe='')}/messages?limit=2")

    assert [m["content"] for m in wrote["messages"]] == ["one", "two", "three"]
    assert [m["content"] for m in read["messages"]] == ["two", "three"]
    assert read["thread_id"] == wrote["thread_id"]
    assert read["messages"][0]["role"] == "human"
    assert read["messages"][0]["meta"] == {"n": 1}
    assert (await memory("GET", "thread/user:42/messages"))["messages"] == []


async def test_white_space_in_a_threads_key_is_one_blank(memory):
    await memory.say("a  b", "x")
    assert len((await memory("GET", "thread/%20a%20b/messages"))["messages"]) == 1
    assert code(await memory("GET", "thread/%20/messages", status=400)) == "invalid_value"
    await memory.say("k" * 512, "x")
    assert code(await memory("GET", f"thread/{'k' * 513}/messages", status=400)) == "invalid_value"


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": [{"role": "human", "content": "x"}] * 101},
        {"messages": [{"role": "human", "content": ""}]},
        {"messages": [{"role": "human", "content": "x" * 20_001}]},
        {"messages": [{"role": "user", "content": "x"}]},
        {"messages": [{"role": "ai", "content": "x"}], "ttl_seconds": 59},
        {"messages": [{"role": "ai", "content": "x"}], "ttl_seconds": 31_536_001},
        {},
    ],
)
async def test_messages_are_held_to_the_sdks_limits(memory, wrong):
    assert code(await memory("POST", "thread/t/messages:append", wrong, status=400)) == "invalid_value"


async def test_messages_at_the_limits_are_taken(memory):
    body = {"messages": [{"role": "tool", "content": "x" * 20_000}] * 100, "ttl_seconds": 31_536_000}
    body["scope"] = {"user_id": "u", "agent_id": None}
    assert len((await memory("POST", "thread/t/messages:append", body))["messages"]) == 100


async def test_a_state_is_merged_key_by_key(memory):
    assert (await memory("GET", "thread/t/state"))["state"] == {}
    await memory("PUT", "thread/t/state", {"patch": {"a": {"x": 1}, "b": 1}})
    changed = await memory("PUT", "thread/t/state", {"patch": {"a": {"y": 2}}})
    assert changed["state"] == {"a": {"y": 2}, "b": 1} == (await memory("GET", "thread/t/state"))["state"]


async def test_a_state_that_grows_too_large_is_refused_and_stays(memory):
    await memory("PUT", "thread/t/state", {"patch": {"a": "x" * 600_000}})
    assert code(await memory("PUT", "thread/t/state", {"patch": {"b": "x" * 600_000}}, status=413)) == "body_too_large"
    assert list((await memory("GET", "thread/t/state"))["state"]) == ["a"]


async def test_the_latest_checkpoint_is_returned_and_of_none_the_sdks_word(memory):
    missing = await memory("GET", "thread/t/checkpoint/latest", status=404)
    assert code(missing) == "checkpoint_not_found"
    assert "checkpoint_not_found" in missing["error"]["message"]
    for n in (1, 2):
        made = await memory("POST", "thread/t/checkpoint", {"state": {"n": n}, "metadata": {"m": n}})
    assert await memory("GET", "thread/t/checkpoint/latest") == made
    assert (made["state"], made["metadata"]) == ({"n": 2}, {"m": 2})


async def test_an_item_is_recalled_replaced_and_forgotten(memory):
    first = await memory.put(["a", "b"], "k", {"v": 1}, tags={"t": 1})
    again = await memory.put(["a", "b"], "k", {"v": 2})
    got = await memory("POST", "recall:get", {"namespace": ["a", "b"], "key": "k"})
    assert first == again == {"ok": True, "id": first["id"]}
    assert (got["found"], got["item"]["value"], got["item"]["tags"]) == (True, {"v": 2}, {})
    assert (await memory("POST", "recall:get", {"namespace": ["a"], "key": "k"}))["found"] is False
    assert await memory("POST", "recall:forget", {"namespace": ["a", "b"], "selector": {"keys": ["k", "x"]}}) == {
        "deleted": 1
    }
    assert (await memory("POST", "recall:get", {"namespace": ["a", "b"], "key": "k"}))["found"] is False
    forget = {"namespace": ["a", "b"], "selector": {}}
    assert code(await memory("POST", "recall:forget", forget, status=400)) == "invalid_value"


async def test_a_search_goes_below_a_namespace_and_not_beside_it(memory):
    for namespace in (["a"], ["a", "b"], ["a", "b", "c"], ["ab"], ["a b"], ["a!"], ["b", "a"]):
        await memory.put(namespace, "k")
    assert await memory.found(["a"]) == [(["a"], "k"), (["a", "b"], "k"), (["a", "b", "c"], "k")]
    assert await memory.found(["a", "b"]) == [(["a", "b"], "k"), (["a", "b", "c"], "k")]
    assert await memory.found(["a"], limit=1) == [(["a"], "k")]
    assert await memory.found(["c"]) == []


async def test_a_search_finds_what_has_the_querys_values(memory):
    await memory.put(["n"], "one", {"colour": "red"}, tags={"type": "x"})
    await memory.put(["n"], "two", {"colour": "blue"}, tags={"type": "x"})
    assert [key for _, key in await memory.found(["n"], query={"type": "x"})] == ["one", "two"]
    assert [key for _, key in await memory.found(["n"], query={"type": "x", "colour": "blue"})] == ["two"]
    assert await memory.found(["n"], query={"missing": None}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespace": [], "key": "k"},
        {"namespace": ["a"] * 17, "key": "k"},
        {"namespace": "a", "key": "k"},
        {"namespace": [""], "key": "k"},
        {"namespace": ["a\x1fb"], "key": "k"},
        {"namespace": ["a"], "key": ""},
        {"namespace": ["a"], "key": "k" * 257},
        {"namespace": ["a"], "key": "k", "value": []},
    ],
)
async def test_items_are_held_to_the_sdks_limits(memory, wrong):
    assert code(await memory("POST", "recall:put", wrong, status=400)) == "invalid_value"


async def test_what_has_expired_is_not_there_any_more(memory, monkeypatch):
    await memory.say("t", "short", ttl_seconds=60)
    await memory.say("t", "long")
    await memory("PUT", "thread/t/state", {"patch": {"a": 1}, "ttl_seconds": 60})
    await memory("POST", "thread/t/checkpoint", {"state": {"a": 1}, "ttl_seconds": 60})
    await memory.put(["n"], "k", {"v": 1}, ttl_seconds=60)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 59)
    assert len((await memory("GET", "thread/t/messages"))["messages"]) == 2
    monkeypatch.setattr(time, "time", lambda: now + 61)

    assert [m["content"] for m in (await memory("GET", "thread/t/messages"))["messages"]] == ["long"]
    assert (await memory("GET", "thread/t/state"))["state"] == {}
    await memory("GET", "thread/t/checkpoint/latest", status=404)
    assert await memory.found(["n"]) == []
    assert (await memory("PUT", "thread/t/state", {"patch": {"b": 2}}))["state"] == {"b": 2}


async def test_a_memory_that_is_full_says_so_and_takes_in_again_what_fits(home, run_plane, make_client):
    async with run_plane(home, "[plane]\nmemory_items = 3\n") as plane:
        memory = Memory(make_client(plane, await plane.tenant()))
        await memory.say("t", "1", "2")
        messages = {"messages": [{"role": "ai", "content": "x"}] * 2}
        assert code(await memory("POST", "thread/t/messages:append", messages, status=409)) == "memory_full"
        await memory.say("u", "3")
        for key in ("a", "b", "c", "c"):
            await memory.put(["n"], key)
        item = {"namespace": ["n"], "key": "d"}
        assert code(await memory("POST", "recall:put", item, status=409)) == "memory_full"
        await memory("POST", "recall:forget", {"namespace": ["n"], "selector": {"key": "a"}})
        await memory.put(["n"], "d")


async def test_memory_survives_a_restart(home, run_plane, make_client):
    async with run_plane(home) as plane:
        made = await plane.tenant()
        await Memory(make_client(plane, made)).say("t", "1")
    async with run_plane(home) as plane:
        read = await Memory(make_client(plane, made))("GET", "thread/t/messages")
    assert [m["content"] for m in read["messages"]] == ["1"]
