"""Runs over HTTP."""

from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing

from aexl.api import Snapshots
from aexl.errors import Conflict, Invalid
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.execution.known import known_agents
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.journal.folders import read_records
from aexl_pipelines.journal.records import RunEnded
from aexl_pipelines.serving.mounts import Doorstep
from aexl_pipelines.serving.streams import tell_run


async def until(client, path, **wanted):
    """Ask again until the answer has these fields."""
    with trio.fail_after(10):
        while True:
            found = (await client.get(path)).json
            if all(found.get(name) == value for name, value in wanted.items()):
                return found
            await trio.sleep(0.02)


def events(text):
    """Return the events of a stream: name, id and data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id"), msgspec.json.decode(fields["data"])))
    return found


async def test_a_run_is_started_and_shown_with_its_steps(client, folder, texts):
    made = await client.post(
        "/api/v1/runs",
        {"folder": str(folder), "pipeline_inline": texts.plain, "prompt": "this", "wait": True},
    )

    assert (made.status, made.json["status"], made.json["exit_code"]) == (201, "completed", 0)
    assert [step["step_id"] for step in made.json["steps"]] == ["invocation", "first", "tests"]
    shown = await client.get(f"/api/v1/runs/{made.json['run_id']}")
    assert shown.json == made.json
    [listed] = (await client.get("/api/v1/runs")).json["runs"]
    assert listed["run_id"] == made.json["run_id"]
    assert (await client.get("/api/v1/runs", query="status=failed")).json == {"runs": []}


async def test_without_a_pipeline_the_folders_own_runs(client, folder, texts):
    (folder / ".aexl.yaml").write_text(texts.plain)
    made = await client.post("/api/v1/runs", {"folder": str(folder), "prompt": "this", "wait": True})
    assert made.json["pipeline"] == ".aexl.yaml"


class Unreadable(FakeSnapshots):
    """Of a folder that no snapshot can hold."""

    async def capture(self, folder, message=""):
        raise Invalid("a and A are one name elsewhere")


async def test_a_run_in_a_folder_that_no_snapshot_can_hold_is_shown_like_any_other(client, host, folder, texts):
    host.services[Snapshots] = Unreadable()
    body = {"folder": str(folder), "pipeline_inline": texts.plain, "wait": True}
    made = await client.post("/api/v1/runs", body)
    assert (made.status, made.json["status"]) == (201, "completed")
    [listed] = (await client.get("/api/v1/runs")).json["runs"]
    assert listed["run_id"] == made.json["run_id"]


async def test_the_events_of_a_run_are_its_journal_from_any_record_on(client, folder, texts, station):
    body = {"folder": str(folder), "pipeline_inline": texts.plain, "prompt": "this"}
    run = (await client.post("/api/v1/runs", body)).json["run_id"]
    whole = await client.get(f"/api/v1/runs/{run}/events")

    assert whole.header(b"content-type").startswith(b"text/event-stream")
    told = [(name, int(number)) for name, number, _ in events(whole.text) if number is not None]
    assert [number for _, number in told] == list(range(len(told)))
    assert (told[0][0], told[-1][0]) == ("run_begun", "run_ended")
    assert len(told) == len(read_records(station.runs / run))

    rest = await client.get(f"/api/v1/runs/{run}/events", headers=((b"last-event-id", b"3"),))
    assert [int(number) for _, number, _ in events(rest.text)] == list(range(4, len(told)))
    over = await client.get(f"/api/v1/runs/{run}/events", headers=((b"last-event-id", str(len(told)).encode()),))
    assert over.status == 204
    for wrong in ("after=x", "after=", "after=1&after=2"):
        assert (await client.get(f"/api/v1/runs/{run}/events", query=wrong)).status == 400


async def test_what_agents_say_is_told_between_the_records(client, folder):
    text = "pipeline:\n  - {id: say, context: {shell: 'echo one; echo two'}}\n"
    run = (await client.post("/api/v1/runs", {"folder": str(folder), "pipeline_inline": text})).json["run_id"]
    told = events((await client.get(f"/api/v1/runs/{run}/events")).text)
    assert [name for name, number, _ in told if number is None] in ([], ["progress"], ["progress"] * 2)


async def test_a_run_that_waits_at_a_gate_says_so_and_goes_on_when_it_is_answered(client, folder, texts):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    assert made["status"] == "waiting"
    [gate] = made["pending_gates"]
    assert (gate["gate_type"], gate["message"]) == ("pause", "Go on?")
    answered = await client.post(f"/api/v1/gates/{gate['gate_id']}", {"choice": "approve", "reason": "yes"})
    assert (answered.status, answered.json["status"], answered.json["by"]) == (200, "approved", "http:alice")

    ended = await until(client, f"/api/v1/runs/{made['run_id']}", status="completed")
    assert [step["step_id"] for step in ended["steps"]] == ["first", "review", "last"]


@pytest.mark.parametrize(
    ("why", "told"),
    [({"reason": "not today"}, "not today"), ({}, "was rejected by http:alice"), ({"reason": " "}, "by http:alice")],
)
async def test_a_rejected_run_ends_so_with_a_reason_and_without(client, folder, texts, why, told):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    gate = made["pending_gates"][0]["gate_id"]
    await client.post(f"/api/v1/gates/{gate}", {"choice": "reject", **why})
    ended = await until(client, f"/api/v1/runs/{made['run_id']}", status="rejected")
    assert (ended["exit_code"], told in ended["message"]) == (5, True)


@pytest.mark.parametrize(("option", "status"), [("approve", "completed"), ("reject", "rejected")])
async def test_an_option_answers_all_gates_and_is_not_waited_for(client, folder, texts, option, status):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True, "on_gate": option}
    assert (await client.post("/api/v1/runs", body)).json["status"] == status


@pytest.mark.slow
async def test_a_cancelled_run_has_ended_when_the_answer_comes_and_is_resumed(client, folder, texts, station):
    run = (await client.post("/api/v1/runs", {"folder": str(folder), "pipeline_inline": texts.slow})).json["run_id"]
    cancelled = await client.post(f"/api/v1/runs/{run}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert (await client.post(f"/api/v1/runs/{run}/cancel")).status == 409

    resumed = await client.post(f"/api/v1/runs/{run}/resume")
    assert (resumed.status, resumed.json["status"]) == (202, "running")
    assert (await client.post(f"/api/v1/runs/{run}/resume")).status == 409
    assert (await client.post(f"/api/v1/runs/{run}/cancel")).json["status"] == "cancelled"


async def test_who_goes_on_with_a_run_that_another_cancels_at_that_moment_is_told_so(host, station):
    async def work(ports):
        station.job("r").scope.cancel()
        await trio.sleep_forever()

    with pytest.raises(Conflict, match="the run r was cancelled before it went on"):
        await station.start("alice", "r", work, Ports(agents=known_agents(host)))
    assert station.job("r") is None


async def test_what_has_ended_is_not_run_again_by_a_resume(client, folder):
    counted = folder / "count"
    text = f"""
pipeline:
  - {{id: once, context: {{shell: "echo x >> {counted}"}}}}
  - {{id: review, action: pause_for_human}}
"""
    body = {"folder": str(folder), "pipeline_inline": text, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    await client.post(f"/api/v1/runs/{made['run_id']}/cancel")
    resumed = (await client.post(f"/api/v1/runs/{made['run_id']}/resume", {"wait": True})).json
    assert resumed["status"] == "waiting"
    await client.post(f"/api/v1/gates/{resumed['pending_gates'][0]['gate_id']}", {"choice": "approve"})
    await until(client, f"/api/v1/runs/{made['run_id']}", status="completed")
    assert counted.read_text() == "x\n"


async def test_leaving_the_lifespan_cancels_what_runs(host, client_of, folder, texts):
    doorstep = Doorstep(host)
    client = client_of(at=doorstep)
    async with doorstep.lifespan():
        run = (await client.post("/api/v1/runs", {"folder": str(folder), "pipeline_inline": texts.slow})).json["run_id"]
    last = read_records(doorstep.station.runs / run)[-1].record
    assert isinstance(last, RunEnded)
    assert last.status == "cancelled"
    refused = await client.post("/api/v1/runs", {"folder": str(folder), "pipeline_inline": texts.plain})
    assert (refused.status, refused.json["error"]["code"]) == (503, "shutting_down")


async def test_another_agents_runs_do_not_exist_and_an_admin_sees_all(client, client_of, folder, texts):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    gate = made["pending_gates"][0]["gate_id"]
    bob, admin = client_of("bob"), client_of("root", "admin")
    assert (await bob.get("/api/v1/runs")).json == {"runs": []}
    assert (await bob.get("/api/v1/gates")).json == {"gates": []}
    for path in (f"runs/{made['run_id']}", f"runs/{made['run_id']}/events", f"gates/{gate}"):
        assert (await bob.get(f"/api/v1/{path}")).status == 404
        assert (await admin.get(f"/api/v1/{path.removesuffix('/events')}")).status == 200
    assert (await bob.post(f"/api/v1/gates/{gate}", {"choice": "approve"})).status == 404
    assert (await bob.post(f"/api/v1/runs/{made['run_id']}/cancel")).status == 404
    assert len((await admin.get("/api/v1/gates")).json["gates"]) == 1


async def test_a_token_that_may_only_read_starts_and_decides_nothing(client, client_of, folder, texts):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    reader = client_of(scope="read")
    assert (await reader.get(f"/api/v1/runs/{made['run_id']}")).status == 200
    for path, sent in [
        ("runs", body),
        (f"gates/{made['pending_gates'][0]['gate_id']}", {"choice": "approve"}),
        (f"runs/{made['run_id']}/cancel", {}),
        ("sessions", {}),
    ]:
        refused = await reader.post(f"/api/v1/{path}", sent)
        assert (refused.status, refused.json["error"]["code"]) == (403, "read_only_token")


async def test_the_token_of_a_step_answers_no_gate(client, client_of, folder, texts):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    path = f"/api/v1/gates/{made['pending_gates'][0]['gate_id']}"
    for agent in (client_of(labels={"run": "r", "step": "first"}), client_of(f"alice:run-{made['run_id']}")):
        refused = await agent.post(path, {"choice": "approve"})
        assert (refused.status, refused.json["error"]["code"]) == (403, "step_token")


async def test_a_run_is_followed_while_it_goes_on(client, folder, texts):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    streams = []

    async def follow():
        streams.append(await client.get(f"/api/v1/runs/{made['run_id']}/events"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked(0.05)
        await client.post(f"/api/v1/gates/{made['pending_gates'][0]['gate_id']}", {"choice": "approve"})
    told = events(streams[0].text)
    numbers = [int(number) for _, number, _ in told if number is not None]
    assert numbers == list(range(len(numbers)))
    assert told[-1][0] == "run_ended"
    after = [name for name, _, _ in told[[name for name, _, _ in told].index("gate_decided") :]]
    assert "progress" in after


async def test_who_reads_late_hears_everything_in_the_order_in_which_it_happened(client, folder, texts, station):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    job, frames = station.job(made["run_id"]), []

    async def put(frame):
        await job.done.wait()  # the client's connection takes nothing before
        frames.append(frame)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell_run, station, station.runs / made["run_id"], -1, put)
        await trio.testing.wait_all_tasks_blocked(0.05)
        await client.post(f"/api/v1/gates/{made['pending_gates'][0]['gate_id']}", {"choice": "approve"})
    told = events(b"".join(frames).decode())
    names = [name for name, _, _ in told]
    numbers = [int(number) for _, number, _ in told if number is not None]
    assert numbers == list(range(len(read_records(station.runs / made["run_id"]))))
    assert names[-1] == "run_ended"
    last = [name for name, _, data in told if data.get("step") == "last"]
    assert (last[0], last[-1], "progress" in last) == ("step_begun", "step_ended", True)


async def test_a_stream_ends_when_the_server_begins_to_stop(client, folder, texts, station):
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    made = (await client.post("/api/v1/runs", body)).json
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.get, f"/api/v1/runs/{made['run_id']}/events")
        await trio.testing.wait_all_tasks_blocked(0.05)
        station.stopping.set()


async def test_the_runs_that_a_run_calls_belong_to_whom_it_belongs(client, client_of, folder, texts):
    (folder / "child.yaml").write_text(texts.gated)
    text = "pipeline:\n  - {id: call, pipeline: ./child.yaml}\n"
    made = (await client.post("/api/v1/runs", {"folder": str(folder), "pipeline_inline": text, "wait": True})).json
    [child] = made["child_run_ids"]
    assert (made["status"], made["pending_gates"][0]["run_id"]) == ("waiting", child)
    [gate] = (await client.get("/api/v1/gates")).json["gates"]
    assert gate["run_id"] == child
    assert (await client.get(f"/api/v1/runs/{child}")).json["parent_run_id"] == made["run_id"]
    assert (await client_of("bob").get("/api/v1/gates")).json["gates"] == []
    await client.post(f"/api/v1/gates/{gate['gate_id']}", {"choice": "approve"})
    await until(client, f"/api/v1/runs/{made['run_id']}", status="completed")


async def test_there_are_only_so_many_runs_at_a_time(client, folder, texts, monkeypatch):
    monkeypatch.setattr("aexl_pipelines.serving.jobs.MOST", 1)
    body = {"folder": str(folder), "pipeline_inline": texts.gated, "wait": True}
    await client.post("/api/v1/runs", body)
    refused = await client.post("/api/v1/runs", body)
    assert (refused.status, refused.json["error"]["code"]) == (503, "too_many_runs")
    assert refused.header(b"retry-after") == b"10"
