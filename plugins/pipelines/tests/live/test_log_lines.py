"""Records as lines."""

from __future__ import annotations

import re

import pytest

from aexl.api.runners import RunnerError, Text
from aexl_pipelines.journal import records
from aexl_pipelines.journal.records import AttemptEnded, BranchTaken, ChildBegun, LoopTurn, Merged, Noted, Progress
from aexl_pipelines.live.lines import log_lines, run_line


def test_a_step_says_who_begins_and_how_it_ended(told):
    begun = told.begin("fix", runner="claude", model="opus", text="Fix it.\nNow.")
    ended = told.end(
        "fix", cost=1, booked=50_125_000, changed=("a", "b"), attempts=2, response="Done.\nAll of it.", duration=75
    )
    assert [line[9:] for line in log_lines(begun)] == ["fix: prompt (claude opus)", "> Fix it.", "> Now."]
    assert [line[9:] for line in log_lines(ended)] == [
        "fix: completed in 1:15, 0.0501 USD, 2 files changed, 2 attempts",
        "Done.",
        "All of it.",
    ]


def test_every_line_begins_with_the_time_of_day_or_is_moved_to_the_right(told):
    lines = log_lines(told.end("fix", response="Done."))
    assert re.match(r"\d\d:\d\d:\d\d fix: ", lines[0])
    assert lines[1] == "         Done."


def test_programs_show_both_of_their_outputs_and_their_exit_code(told):
    ended = told.end("tests", kind="shell", stdout="2 passed\n", stderr="slow\n", exit_code=3)
    assert [line[9:] for line in log_lines(ended)] == [
        "tests: completed in 1.0 s, exit code 3", "| 2 passed", "! slow",
    ]  # fmt: skip


def test_what_a_step_does_not_show_is_not_shown(told):
    assert len(log_lines(told.end("fix", response="secret", quiet=True))) == 1
    assert len(log_lines(told.end("fix", response="long"), text=False)) == 1


def test_a_failure_says_why(told):
    error = RunnerError(kind="budget", message="there is no money left:\nask for more")
    ended = told.end("fix", status="failed", error=error)
    assert log_lines(ended)[0][9:] == "fix: failed in 1.0 s: there is no money left:"


def test_a_gate_says_how_it_is_answered_from_elsewhere(told):
    opened = told.gate("look", timeout=90.0, default="approve")
    assert log_lines(opened)[0][9:] == (
        "look: asks to go on: Shall I? (aexl pipeline approve|reject g1; approved after 1:30)"
    )
    assert log_lines(told.decide("look", choice="reject", reason="No."))[0][9:] == "look: rejected by cli: No."


def test_loops_branches_calls_attempts_and_merges_have_sentences(told):
    lines = [
        log_lines(record)[0][9:]
        for record in (
            LoopTurn(at=1, step="each#2", turn=2, total=3, item={"a": 1}),
            BranchTaken(at=1, step="fix", number=2, action="break", why="contains STOP", message="Enough."),
            ChildBegun(at=1, step="call", run="r2", file="./other.yaml"),
            AttemptEnded(at=1, step="fix", attempt=1, status="timeout", wait=2.0),
            Merged(at=1, step="a", base="b", theirs="t", snapshot="s", conflicts=("x.py",)),
            Noted(at=1, text="by the way"),
        )
    ]
    assert lines == [
        "each 2: turn 2 of 3: {'a': 1}",
        "fix: branch 2 (contains STOP): break: Enough.",
        "call: calls ./other.yaml as run r2",
        "fix: attempt 1 timeout; again in 2.0 s",
        "a: its files were merged, conflicts in x.py",
        "by the way",
    ]


@pytest.mark.parametrize(
    "name", ["RunBegun", "RunResumed", "PipelineReloaded", "LoopSet", "Forked", "Proposed", "RunEnded"]
)
def test_every_kind_of_record_has_a_sentence(told, name):
    import msgspec

    samples = {
        "project": "/work", "file": "f.yaml", "run": "r1", "step": "s", "digest": "d", "items": (), "folder": "/c",
        "base": "b", "patch": "", "status": "failed", "exit_code": 1, "from_step": "s",
    }  # fmt: skip
    kind = getattr(records, name)
    wanted = {field.name for field in msgspec.structs.fields(kind)}
    assert log_lines(kind(at=1.0, **{key: value for key, value in samples.items() if key in wanted}))


def test_without_a_terminal_only_what_matters_is_said(told):
    assert run_line(told.begin("fix")) == "fix: prompt"
    assert run_line(told.end("fix")) == "fix: completed in 1.0 s"
    silent = [told.end("fix", status="skipped"), Progress(step="fix", event=Text("hi")), told.run()]
    assert [run_line(seen) for seen in silent] == [None] * 3


def test_what_agents_say_cannot_steer_the_terminal(told):
    lines = log_lines(
        told.end("fix", response="\x1b[2Jgone", error=RunnerError(kind="other", message="\x1b[31m"), status="failed")
    )
    assert "\x1b" not in "".join(lines)
