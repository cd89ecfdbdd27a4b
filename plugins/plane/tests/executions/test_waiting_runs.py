"""Runs that nobody waits for: queued, followed, cancelled, found again after a restart."""

from __future__ import annotations

import re
import time

import msgspec
import trio

from aexl.errors import Unavailable
from aexl_plane.storage import executions as rows


async def until(truth):
    with trio.fail_after(30):
        while not truth():
            await trio.sleep(0.001)


async def test_an_answer_is_there_later(deployed):
    answered, body = await deployed.post(mode="async", status=202)
    assert (body["status"], body["mode"], body["started"]) == ("queued", "async", None)
    assert answered.header(b"x-aexl-execution-id") == body["id"].encode()
    ended = await deployed.ended(body["id"])
    assert (ended["status"], ended["result"]) == ("ok", {"sum": 2})


async def test_the_same_key_queues_once(deployed, handlers):
    handlers.gates["add"] = gate = trio.Event()
    _, one = await deployed.post(mode="async", key="k", status=202)
    again, two = await deployed.post(mode="async", key="k", status=202)
    assert one["id"] == two["id"]
    assert again.header(b"x-aexl-replayed") == b"true"
    await deployed.post(mode="async", event={"a": 9}, key="k", status=422)
    gate.set()
    await deployed.ended(one["id"])
    _, three = await deployed.post(mode="async", key="k", status=202)
    assert (three["id"], three["status"], three["result"]) == (one["id"], "ok", {"sum": 2})
    assert handlers.begun["add"] == 1


async def test_so_many_run_and_so_many_wait(run_deployed, handlers):
    async with run_deployed("[plane]\nasync_running = 1\nasync_queued = 2\n") as deployed:
        handlers.gates["add"] = gate = trio.Event()
        ids = [(await deployed.post(mode="async", status=202))[1]["id"]]
        await until(lambda: handlers.begun.get("add") == 1)
        ids += [(await deployed.post(mode="async", status=202))[1]["id"] for _ in range(2)]
        answered, body = await deployed.post(mode="async", status=429)
        assert answered.header(b"retry-after") == b"5"
        assert "async_queued allows 2" in body["error"]["message"]
        assert handlers.begun["add"] == 1
        gate.set()
        assert {(await deployed.ended(id))["status"] for id in ids} == {"ok"}
        assert [asked.id for asked in handlers.invoked] == ids


async def test_a_refused_request_holds_no_place(run_deployed, handlers):
    async with run_deployed("[plane]\nasync_queued = 1\npayload_bytes = 1024\n") as deployed:
        for _ in range(3):
            _, body = await deployed.post("echo", {"text": "x" * 2000}, mode="async", status=413)
            assert body["error"]["code"] == "body_too_large"
        await deployed.post(mode="async", status=202)


async def test_what_is_queued_is_cancelled_before_it_runs(run_deployed, handlers):
    async with run_deployed("[plane]\nasync_running = 1\n") as deployed:
        handlers.gates["add"] = gate = trio.Event()
        _, first = await deployed.post(mode="async")
        await until(lambda: handlers.begun.get("add") == 1)
        _, second = await deployed.post(mode="async")
        cancelled = await deployed.json("POST", f"{deployed.executions}/{second['id']}:cancel")
        assert (cancelled["status"], cancelled["error"]["code"]) == ("cancelled", "CANCELLED")
        gate.set()
        assert (await deployed.ended(first["id"]))["status"] == "ok"
        assert (await deployed.get(second["id"]))["status"] == "cancelled"
        assert handlers.begun["add"] == 1


async def test_what_runs_is_cancelled_and_whoever_waits_is_told(deployed, handlers):
    handlers.gates["add"] = trio.Event()
    answers = []

    async def ask():
        answers.append((await deployed.post(key="k", status=200))[1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await until(lambda: handlers.begun.get("add") == 1)
        [running] = (await deployed.json("GET", f"{deployed.executions}?status=running"))["executions"]
        cancelled = await deployed.json("POST", f"{deployed.executions}/{running['id']}:cancel")
    assert cancelled["status"] == "cancelled"
    assert answers == [cancelled]
    again = await deployed.json("POST", f"{deployed.executions}/{running['id']}:cancel")
    assert again["status"] == "cancelled"


async def test_the_log_of_a_run_that_was_cancelled_is_kept(deployed, handlers):
    handlers.gates["add"] = trio.Event()
    _, body = await deployed.post(mode="async")
    await until(lambda: handlers.begun.get("add") == 1)
    ended = await deployed.json("POST", f"{deployed.executions}/{body['id']}:cancel")
    page = await deployed.json("GET", f"{deployed.executions}/{body['id']}/logs")
    assert (page["status"], [each["event"] for each in page["records"]]) == ("cancelled", ["runner.start"])
    assert (ended["error"]["code"], ended.get("result")) == ("CANCELLED", None)
    assert await deployed.get(body["id"]) == ended


async def test_what_has_ended_is_not_cancelled(deployed):
    _, body = await deployed.post()
    assert (await deployed.json("POST", f"{deployed.executions}/{body['id']}:cancel"))["status"] == "ok"
    assert (await deployed.ask("POST", f"{deployed.executions}/ghost:cancel")).status == 404


async def test_a_queued_run_asks_again_for_a_worker(deployed, handlers, monkeypatch):
    monkeypatch.setattr("aexl_plane.executions.running._PATIENCE", (0.001, 0.001))
    handlers.busy = [Unavailable("full"), Unavailable("full")]
    _, body = await deployed.post(mode="async")
    assert (await deployed.ended(body["id"]))["result"] == {"sum": 2}
    handlers.busy = [Unavailable("full")] * 3
    _, body = await deployed.post(mode="async")
    ended = await deployed.ended(body["id"])
    assert (ended["status"], ended["code"], ended["http_status"]) == ("failed", "UNAVAILABLE", 503)


def events(body):
    return [
        (fields.get("id"), fields.get("event"), msgspec.json.decode(fields["data"]))
        for fields in (
            dict(re.findall(r"^(id|event|data): (.*)$", frame, re.MULTILINE))
            for frame in body.decode().split("\n\n")
            if frame
        )
        if fields
    ]


async def test_a_log_is_followed_to_its_end(deployed, handlers):
    handlers.gates["add"] = gate = trio.Event()
    _, body = await deployed.post(mode="async")
    url, got = f"{deployed.executions}/{body['id']}/logs", []

    async def follow():
        answered = await deployed.ask("GET", f"{url}?follow=true")
        assert answered.header(b"content-type") == b"text/event-stream"
        got.append(answered.body)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await until(lambda: handlers.begun.get("add") == 1)
        page = await deployed.json("GET", url)
        assert (page["status"], len(page["records"]), page["first"], page["next"]) == ("running", 1, 1, 1)
        gate.set()
    [(id, event, record), (none, end, told)] = events(got[0])
    assert (id, event, record["event"]) == ("1", "log", "runner.start")
    assert (none, end, told) == (
        None,
        "end",
        {"execution": body["id"], "status": "ok", "http_status": 200, "code": None},
    )


async def test_a_log_is_read_on_from_where_one_was(deployed, handlers):
    _, body = await deployed.post()
    url = f"{deployed.executions}/{body['id']}/logs"
    page = await deployed.json("GET", url)
    assert [each["event"] for each in page["records"]] == ["runner.start"]
    assert (await deployed.json("GET", f"{url}?after=1"))["records"] == []
    for headers, query in (({"last-event-id": "1"}, "?follow=true"), ({"accept": "text/event-stream"}, "?after=1")):
        answered = await deployed.ask("GET", url + query, headers=headers)
        assert [event for _, event, _ in events(answered.body)] == ["end"]
    for query in ("?after=-1", "?after=x", "?follow=perhaps"):
        assert (await deployed.ask("GET", url + query)).status == 400
    assert (await deployed.ask("GET", f"{deployed.executions}/ghost/logs")).status == 404


async def test_after_a_restart_what_ran_is_lost_and_what_waited_runs(run_deployed, home, run_plane, handlers):
    handlers.gates["add"] = trio.Event()
    async with run_deployed("[plane]\nasync_running = 1\n") as deployed:
        _, running = await deployed.post(mode="async", key="k")
        await until(lambda: handlers.begun.get("add") == 1)
        _, queued = await deployed.post(mode="async")
    assert handlers.begun["add"] == 1
    del handlers.gates["add"]
    async with run_plane(home, "", ("snapshots", "ledger"), handlers) as plane:
        deployed.plane = deployed.client.plane = plane
        assert (await deployed.ended(queued["id"]))["status"] == "ok"
        lost = await deployed.get(running["id"])
        assert (lost["status"], lost["error"]["code"]) == ("lost", "LOST")
        assert handlers.begun["add"] == 2
        _, again = await deployed.post(mode="async", key="k", status=202)
        assert (again["id"], again["status"]) == (running["id"], "lost")
        assert handlers.begun["add"] == 2


async def test_a_key_counts_after_a_restart_too(run_deployed, home, run_plane, handlers):
    async with run_deployed() as deployed:
        _, one = await deployed.post(key="k")
    async with run_plane(home, "", ("snapshots",), handlers) as plane:
        deployed.plane = deployed.client.plane = plane
        again, two = await deployed.post(key="k", status=200)
        assert two == one
        assert again.header(b"x-aexl-replayed") == b"true"
        await deployed.post(event={"a": 7}, key="k", status=422)
    assert handlers.begun["add"] == 1


async def test_payloads_end_and_their_keys_with_them(run_deployed, handlers):
    async with run_deployed() as deployed:
        _, one = await deployed.post(key="k")
        service, database = deployed.plane.assembly.executions, deployed.plane.assembly._database
        await service.sweep()
        assert (await deployed.get(one["id"]))["result"] == {"sum": 2}
        later = time.time() + 7 * 86_400
        await database.write(lambda db: rows.drop_expired(db, later - 10, 0))
        assert "result" in await deployed.get(one["id"])
        await database.write(lambda db: rows.drop_expired(db, later, 0))
        found = await deployed.get(one["id"])
        assert (found["status"], "result" in found) == ("ok", False)
        answered = await deployed.ask("POST", f"{deployed.executions}/{one['id']}:replay", json={})
        assert answered.status == 410
        _, two = await deployed.post(event={"a": 7}, key="k", status=200)
        assert two["result"] == {"sum": 8}
        await database.write(lambda db: rows.drop_expired(db, 0, time.time() + 1))
        assert (await deployed.ask("GET", f"{deployed.executions}/{one['id']}")).status == 404


async def test_an_answer_that_is_too_large_is_answered_and_not_kept(run_deployed):
    async with run_deployed("[plane]\npayload_bytes = 1024\n") as deployed:
        for size, kept in ((10, True), (1100, False)):
            event = {"text": "x" * size}
            _, body = await deployed.post("echo", event, key=f"k{size}", status=200)
            assert body["result"] == event
            found = await deployed.get(body["id"])
            assert (found["status"], "result" in found) == ("ok", kept)
            _, again = await deployed.post("echo", event, key=f"k{size}", status=200)
            assert (again["id"], "result" in again) == (body["id"], kept)
            replay = await deployed.ask("POST", f"{deployed.executions}/{body['id']}:replay", json={})
            assert replay.status == (200 if kept else 410)
