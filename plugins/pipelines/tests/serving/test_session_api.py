"""Sessions and turns over HTTP, as ail's design has them."""

from __future__ import annotations

import msgspec
import pytest
import trio

from aexl.testing.factories import make_principal


@pytest.fixture
def open_session(client, folder, texts):
    async def make(text=texts.plain, **more):
        body = {"folder": str(folder), "pipeline_inline": text, "session_key": "talk", **more}
        return await client.post("/api/v1/sessions", body)

    return make


async def test_a_session_is_opened_shown_listed_and_ended(client, open_session):
    made = await open_session()
    assert (made.status, made.json["session_key"], made.json["status"]) == (201, "talk", "ready")
    assert made.json["pipeline"]["step_count"] == 2
    assert (await client.get("/api/v1/sessions/talk")).json == made.json
    assert [each["session_key"] for each in (await client.get("/api/v1/sessions")).json["sessions"]] == ["talk"]
    assert (await open_session()).status == 409

    assert (await client("DELETE", "/api/v1/sessions/talk")).status == 204
    assert (await client.get("/api/v1/sessions/talk")).status == 404


async def test_a_session_without_a_key_gets_one(open_session):
    keys = {(await open_session(session_key=None)).json["session_key"] for _ in range(3)}
    assert len(keys) == 3


@pytest.mark.parametrize("key", ["", "a/b", "..", ".hidden", "a" * 65])
async def test_a_key_that_is_no_name_is_refused(open_session, client, key):
    assert (await open_session(session_key=key)).status == 400
    assert (await client.get(f"/api/v1/sessions/{key or '%20'}")).status in (404, 400)


async def test_a_turn_completes_and_is_kept(client, open_session):
    await open_session()
    turn = await client.post("/api/v1/sessions/talk/turns", {"prompt": "hello"})
    assert (turn.status, turn.json["status"], turn.json["prompt"]) == (201, "completed", "hello")
    assert [step["step_id"] for step in turn.json["steps"]] == ["invocation", "first", "tests"]
    second = await client.post("/api/v1/sessions/talk/turns", {"prompt": "more"})
    listed = (await client.get("/api/v1/sessions/talk/turns", query="limit=1")).json
    assert (listed["total"], [each["turn_id"] for each in listed["turns"]]) == (2, [second.json["turn_id"]])
    shown = await client.get(f"/api/v1/sessions/talk/turns/{turn.json['turn_id']}")
    assert shown.json == turn.json
    assert (await client.get("/api/v1/sessions/talk/turns/none")).status == 404
    assert (await client.get("/api/v1/sessions/talk")).json["turn_count"] == 2


async def test_a_turn_that_waits_at_a_gate_is_suspended_and_no_other_may_begin(client, open_session, texts):
    await open_session(texts.gated)
    turn = await client.post("/api/v1/sessions/talk/turns", {"prompt": "hello"})
    assert (turn.status, turn.json["status"]) == (202, "suspended")
    gate = turn.json["suspended_on"]
    assert (gate["gate_type"], gate["message"]) == ("pause", "Go on?")
    assert (await client.post("/api/v1/sessions/talk/turns", {"prompt": "x"})).status == 409
    session = (await client.get("/api/v1/sessions/talk")).json
    assert (session["status"], session["pending_gates"][0]["gate_id"]) == ("suspended", gate["gate_id"])
    assert [each["gate_id"] for each in (await client.get("/api/v1/sessions/talk/hitl/pending")).json["gates"]] == [
        gate["gate_id"]
    ]
    answered = await client.post(
        f"/api/v1/sessions/talk/hitl/{gate['gate_id']}", {"choice": "approve", "message": "ok"}
    )
    assert (answered.status, answered.json["status"], answered.json["reason"]) == (200, "approved", "ok")
    again = await client.post(f"/api/v1/sessions/talk/hitl/{gate['gate_id']}", {"choice": "reject"})
    assert (again.status, again.json["error"]["code"]) == (409, "gate_decided")
    assert "approved by http:alice" in again.json["error"]["message"]
    assert (await client.post("/api/v1/sessions/talk/hitl/none", {"choice": "reject"})).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"behavior": "allow"}, 200),
        ({"behavior": "deny", "message": "no"}, 200),
        ({"choice": "use_original"}, 200),
        ({"choice": "use_edited", "edited_prompt": "x"}, 400),
        ({}, 400),
        ({"behavior": "allow", "choice": "approve"}, 400),
    ],
)
async def test_a_gate_is_answered_in_ails_words(client, open_session, texts, body, status):
    await open_session(texts.gated)
    turn = (await client.post("/api/v1/sessions/talk/turns", {"prompt": "hello"})).json
    path = f"/api/v1/sessions/talk/hitl/{turn['suspended_on']['gate_id']}"
    assert (await client.post(path, body)).status == status


async def test_another_agents_session_does_not_exist(client_of, open_session):
    await open_session()
    bob, admin = client_of("bob"), client_of("root", "admin")
    assert (await bob.get("/api/v1/sessions/talk")).status == 404
    assert (await bob.post("/api/v1/sessions/talk/turns", {"prompt": "x"})).status == 404
    assert (await bob.get("/api/v1/sessions")).json == {"sessions": []}
    assert (await admin.get("/api/v1/sessions/talk")).status == 200


async def test_ending_a_session_cancels_its_turn(client, open_session, texts):
    await open_session(texts.gated)
    turn = (await client.post("/api/v1/sessions/talk/turns", {"prompt": "hello"})).json
    assert (await client("DELETE", "/api/v1/sessions/talk")).status == 204
    assert (await client.get(f"/api/v1/runs/{turn['turn_id']}")).json["status"] == "cancelled"


async def test_a_session_is_followed_with_ails_names(doorstep, client, open_session, texts):
    await open_session(texts.gated)
    told = []
    ended = trio.Event()

    async def send(message):
        for line in message.get("body", b"").decode().splitlines():
            if line.startswith("event: "):
                told.append(line.removeprefix("event: "))

    async def follow():
        scope = {"type": "http", "method": "GET", "path": "/api/v1/sessions/talk/stream", "query_string": b"",
                 "headers": [], "state": {"principal": make_principal()}, "root_path": ""}  # fmt: skip
        pieces = [{"type": "http.request", "body": b""}]

        async def receive():
            if pieces:
                return pieces.pop()
            await trio.sleep_forever()
            pytest.fail("nobody wakes it")

        await doorstep(scope, receive, send)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        with trio.fail_after(5):
            while not told:
                await trio.sleep(0.01)
        turn = (await client.post("/api/v1/sessions/talk/turns", {"prompt": "hello"})).json
        await client.post(f"/api/v1/sessions/talk/hitl/{turn['suspended_on']['gate_id']}", {"choice": "approve"})
        with trio.fail_after(5):
            while "turn.completed" not in told:
                await trio.sleep(0.01)
        await client("DELETE", "/api/v1/sessions/talk")
        with trio.fail_after(5):
            await ended.wait()
    assert (told[0], told[-1]) == ("session.ready", "session.ended")
    assert {"turn.started", "step.started", "step.text_delta", "step.completed"} <= set(told)
    assert told.index("hitl.gate_opened") < told.index("hitl.gate_resolved") < told.index("turn.completed")


def test_a_session_outlives_the_server(tmp_path):
    from aexl_pipelines.serving.sessions import SessionFile, Sessions

    first = Sessions(tmp_path / "sessions").create(SessionFile(key="a", agent="alice", folder="/f", created=1.0))
    again = msgspec.structs.replace(first, turns=("r1",))
    Sessions(tmp_path / "sessions").save(again)
    assert Sessions(tmp_path / "sessions").get("a", "alice") == again


async def test_the_turns_of_a_session_go_on_in_one_session_of_the_agent(client, open_session, station):
    from aexl_pipelines.journal.folders import read_records
    from aexl_pipelines.journal.records import RunBegun, StepEnded

    await open_session()
    turns = [(await client.post("/api/v1/sessions/talk/turns", {"prompt": text})).json["turn_id"] for text in "abc"]
    journals = [[written.record for written in read_records(station.runs / turn)] for turn in turns]
    begun = [record.follows for journal in journals for record in journal if isinstance(record, RunBegun)]
    assert begun == [None, *turns[:2]]
    steps = [record for journal in journals for record in journal if isinstance(record, StepEnded)]
    invocations = {step.session for step in steps if step.step == "invocation"}
    others = {step.session for step in steps if step.step == "first"}
    assert (len(invocations), len(others)) == (1, 3)


async def test_a_conversation_goes_on_after_a_turn_that_left_no_session(client, open_session, station, folder):
    text = "defaults: {runner: stub}\npipeline:\n  - {id: a, context: {shell: 'exit 1'}, on_result: [{exit_code: any, action: abort_pipeline}]}\n"
    await open_session(text)
    for _ in range(3):
        turn = (await client.post("/api/v1/sessions/talk/turns", {"prompt": "x"})).json
        assert turn["status"] == "aborted"


async def test_the_home_of_an_agents_session_goes_along(client, open_session, station):
    """Agents keep their sessions in their homes, and no two runs may use one home."""
    from aexl_pipelines.journal.folders import read_records

    await open_session()
    first = (await client.post("/api/v1/sessions/talk/turns", {"prompt": "a"})).json["turn_id"]
    [home] = [
        written.record.home for written in read_records(station.runs / first)
        if getattr(written.record, "step", "") == "invocation" and getattr(written.record, "home", None)
    ]  # fmt: skip
    (station.runs / first / "homes" / home).mkdir(parents=True)
    (station.runs / first / "homes" / home / "session.json").write_text("what was said")
    second = (await client.post("/api/v1/sessions/talk/turns", {"prompt": "b"})).json["turn_id"]
    assert (station.runs / second / "homes" / home / "session.json").read_text() == "what was said"
