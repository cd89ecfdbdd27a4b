"""A recorded request run again, and what differs."""

from __future__ import annotations

import trio


async def test_a_request_is_run_again_on_its_own_snapshot(deployed, handlers):
    _, body = await deployed.post()
    told = await deployed.json("POST", f"{deployed.executions}/{body['id']}:replay", json={})
    assert (told["same"], told["changes"], told["truncated"]) == (True, [], False)
    assert told["original"]["id"] == body["id"]
    assert told["execution"]["replays"] == body["id"]
    assert told["execution"]["id"] != body["id"]
    first, second = handlers.invoked
    assert (first.event, first.project) == (second.event, second.project)


async def test_what_differs_is_told_place_by_place(deployed, handlers):
    _, body = await deployed.post()
    handlers.tools["add"] = lambda event: {"sum": -1, "new": [event["a"]]}
    told = await deployed.json("POST", f"{deployed.executions}/{body['id']}:replay", json={"environment": "dev"})
    assert told["same"] is False
    assert told["changes"] == [{"path": "/result/sum", "old": 2, "new": -1}, {"path": "/result/new", "new": [1]}]
    del handlers.tools["add"]
    told = await deployed.json("POST", f"{deployed.executions}/{body['id']}:replay", json={})
    assert {each["path"] for each in told["changes"]} == {"/status", "/http_status", "/result", "/error"}


async def test_a_request_is_run_on_another_snapshot(deployed, handlers):
    _, body = await deployed.post()
    other = (await deployed.client.put("other.txt", b"x"))["snapshot"]
    for name in (other, "main"):
        told = await deployed.json("POST", f"{deployed.executions}/{body['id']}:replay", json={"snapshot": name})
        assert (told["execution"]["snapshot"], told["original"]["snapshot"]) == (other, deployed.snapshot)
        assert told["same"] is True
    for wanted, status in (
        ({"snapshot": "0" * 64}, 404),
        ({"environment": "staging"}, 404),
        ({"environment": "dev", "snapshot": "main"}, 400),
        ({"runtime": "ghost"}, 422),
        ({"colour": 1}, 400),
    ):
        answered = await deployed.ask("POST", f"{deployed.executions}/{body['id']}:replay", json=wanted)
        assert answered.status == status, answered.body
    assert (await deployed.ask("POST", f"{deployed.executions}/ghost:replay", json={})).status == 404


async def test_what_has_not_ended_is_not_replayed(deployed, handlers):
    handlers.gates["add"] = gate = trio.Event()
    _, body = await deployed.post(mode="async")
    assert (await deployed.ask("POST", f"{deployed.executions}/{body['id']}:replay", json={})).status == 409
    gate.set()
    await deployed.ended(body["id"])
