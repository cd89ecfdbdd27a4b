"""ail's NDJSON protocol: what is told, and what is understood."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Usage
from aexl.api.runners import Asked, RunnerError, Spent, Text, Thinking, ToolResult, ToolUse, Warned
from aexl_pipelines.journal.records import (
    AttemptEnded,
    BranchTaken,
    ChildBegun,
    Gate,
    GateDecided,
    GateOpened,
    Noted,
    Progress,
    RunBegun,
    RunEnded,
    StepBegun,
    StepEnded,
    Verdict,
)
from aexl_pipelines.serving.lines import Answer, Control, Say, Told, Wrong, read_line

STEPS = ("invocation", "review", "fix")


def told(*seen, run="r"):
    made = Told("r", STEPS)
    return [msgspec.json.decode(msgspec.json.encode(each)) for record in seen for each in made.lines(run, record)]


def gate(**changes):
    return Gate(
        **{"id": "g1", "run": "r", "step": "review", "kind": "pause", "text": "Well?", "opened": 0.0, **changes}
    )


def test_a_run_is_told_in_ails_words():
    begun = RunBegun(at=1.0, run="r", project="/p", file="a.yaml")
    step = StepBegun(at=2.0, step="review", kind="prompt", runner="stub", text="Look")
    ended = StepEnded(
        at=3.0, step="review", kind="prompt", status="completed", response="ok", model="m",
        usage=Usage(input_tokens=3, output_tokens=4), cost=1_500_000,
    )  # fmt: skip
    over = RunEnded(at=4.0, status="completed", exit_code=0, cost=1_500_000)
    first, second, third, last = told(begun, step, ended, over)

    common = {"run_id": "r"}
    assert first == {"type": "run_started", "pipeline_source": "a.yaml", "total_steps": 3, "at": 1.0, **common}
    index = {"step_index": 1, "total_steps": 3, "resolved_prompt": "Look"}
    assert second == {"type": "step_started", "step_id": "review", **index, "at": 2.0, **common}
    assert (third["type"], third["cost_usd"], third["response"], third["model"]) == (
        "step_completed",
        0.0015,
        "ok",
        "m",
    )
    assert (third["input_tokens"], third["output_tokens"]) == (3, 4)
    assert (last["type"], last["outcome"], last["cost_usd"]) == ("pipeline_completed", "completed", 0.0015)


@pytest.mark.parametrize(
    ("status", "tolerated", "kind"),
    [
        ("skipped", False, "step_skipped"),
        ("failed", False, "step_failed"),
        ("failed", True, "step_error_continued"),
        ("timeout", False, "step_failed"),
        ("rejected", False, "step_failed"),
    ],
)
def test_each_ending_of_a_step_has_its_line(status, tolerated, kind):
    error = RunnerError(kind="other", message="no luck")
    ended = StepEnded(at=1.0, step="fix", kind="prompt", status=status, tolerated=tolerated, error=error)
    [line] = told(ended)
    assert (line["type"], line["step_id"]) == (kind, "fix")
    assert status == "skipped" or line["error"] == "no luck"


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        ("failed", "ail:runner/invocation-failed"),
        ("aborted", "ail:pipeline/aborted"),
        ("cancelled", "ail:runner/cancelled"),
    ],
)
def test_a_run_that_did_not_complete_is_an_error(status, error_type):
    [line] = told(RunEnded(at=1.0, status=status, exit_code=1, message="why"))
    assert (line["type"], line["error"], line["error_type"]) == ("pipeline_error", "why", error_type)


def test_a_break_is_an_outcome_unless_it_ends_a_loop():
    taken = BranchTaken(at=1.0, step="review", number=1, action="break")
    over = RunEnded(at=2.0, status="completed", exit_code=0)
    assert told(taken, over)[-1]["outcome"] == "break"
    assert told(taken, over)[-1]["step_id"] == "review"
    inner = BranchTaken(at=1.0, step="loop#2::fix", number=1, action="break")
    assert told(inner, over)[-1]["outcome"] == "completed"


def test_gates_are_told_with_ids_and_permissions_as_runner_events():
    opened = GateOpened(at=1.0, step="review", gate=gate(timeout=60.0))
    [line] = told(opened)
    assert (line["type"], line["gate_id"], line["message"]) == ("hitl_gate_reached", "g1", "Well?")
    assert (line["timeout_seconds"], line["default"]) == (60.0, "reject")
    [line] = told(GateOpened(at=1.0, step="review", gate=gate(kind="edit", content="x", editable=True)))
    assert (line["type"], line["last_response"]) == ("hitl_modify_reached", "x")
    [line] = told(
        GateOpened(at=1.0, step="fix", gate=gate(kind="permission", detail={"tool": "Bash", "input": {"c": 1}}))
    )
    assert (line["type"], line["gate_id"]) == ("runner_event", "g1")
    shown = {"type": "permission_requested", "display_name": "Bash", "display_detail": "Well?", "tool_input": {"c": 1}}
    assert line["event"] == shown
    decided = GateDecided(at=1.0, step="fix", gate="g1", kind="pause", verdict=Verdict(choice="reject", by="cli:bob"))
    assert told(decided)[0]["by"] == "cli:bob"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (Text("hello"), "stream_delta"),
        (Thinking("hm"), "thinking"),
        (ToolUse(id="1", name="Bash", input={"a": 1}), "tool_use"),
        (ToolResult(id="1", output="x"), "tool_result"),
        (Spent(usage=Usage(input_tokens=1, output_tokens=1), cost=5), "cost_update"),
    ],
)
def test_what_an_agent_does_is_told_in_ails_words(event, kind):
    [line] = told(Progress(step="fix", event=event))
    assert (line["type"], line["event"]["type"], line["step_id"]) == ("runner_event", kind, "fix")


def test_what_ail_has_no_word_for_is_not_told():
    assert told(Progress(step="fix", event=Warned("x")), Progress(step="fix", event=Asked(id="1", tool="t"))) == []
    assert told(Noted(at=1.0, text="x")) == []


def test_attempts_branches_and_children_are_told():
    error = RunnerError(kind="rate", message="slow down")
    [line] = told(AttemptEnded(at=1.0, step="fix", attempt=1, status="failed", error=error, wait=2.0))
    assert (line["type"], line["attempt"], line["wait_seconds"]) == ("step_retrying", 1, 2.0)
    assert told(ChildBegun(at=1.0, step="fix", run="c"))[0]["child_run_id"] == "c"
    assert told(RunEnded(at=1.0, status="failed", exit_code=1), run="c")[0]["type"] == "child_completed"


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        (b"", None),
        (b"  \n", None),
        (b"fix the test\n", Say(text="fix the test")),
        (b"42", Say(text="42")),
        (b'"quoted"', Say(text='"quoted"')),
        (b"[1]", Say(text="[1]")),
        (b'{"type":"user_message","text":"hi"}', Say(text="hi")),
        (b'{"type":"hitl_response","text":"ok"}', Answer(of="human", text="ok")),
        (b'{"type":"hitl_response"}', Answer(of="human")),
        (
            b'{"type":"hitl_response","gate_id":"g","choice":"reject","reason":"no"}',
            Answer(of="human", gate="g", choice="reject", reason="no"),
        ),
        (b'{"type":"permission_response","allowed":true}', Answer(of="permission", choice="approve")),
        (
            b'{"type":"permission_response","allowed":false,"reason":"no"}',
            Answer(of="permission", choice="reject", reason="no"),
        ),
        (
            b'{"type":"permission_response","allowed":true,"allow_for_session":true}',
            Answer(of="permission", choice="approve", for_session=True),
        ),
        *((f'{{"type":"{word}"}}'.encode(), Control(word=word)) for word in ("pause", "resume", "kill", "end_session")),
    ],
)
def test_a_line_is_understood(line, heard):
    assert read_line(line) == heard


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"{}",
        b'{"type":1}',
        b'{"type":"none"}',
        b'{"type":"permission_response"}',
        b'{"type":"permission_response","allowed":"yes"}',
        b'{"type":"hitl_response","choice":"perhaps"}',
        b'{"type":"hitl_response","text":1}',
        b'{"type":"user_message","text":[]}',
        b"\xff\xfe",
        b'{"a":' * 3000,
    ],
)
def test_a_line_that_means_nothing_is_named(line):
    heard = read_line(line)
    assert isinstance(heard, Wrong)
    assert heard.error


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_line_is_something(line):
    assert isinstance(read_line(line), Say | Answer | Control | Wrong | None)
