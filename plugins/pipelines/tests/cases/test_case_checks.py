"""What holds of a run, and what is said where it does not."""

from __future__ import annotations

import pytest

from aexl.api import Usage
from aexl.api.runners import RunnerError
from aexl_pipelines.cases.checking import SHOWN, clipped, failures_of, fault_of, text_fault
from aexl_pipelines.cases.kinds import JsonField
from aexl_pipelines.cases.model import Check
from aexl_pipelines.cases.outcome import Outcome, StepSeen, Watcher
from aexl_pipelines.journal.records import (
    BranchTaken,
    ChildBegun,
    Gate,
    GateOpened,
    RunBegun,
    RunEnded,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.language.expressions.parsing import parse_expression
from aexl_pipelines.language.expressions.patterns import compile_pattern
from aexl_pipelines.language.problems import Place

HERE = Place("p.cases.yaml", 3, 5)


def check(what, wanted, subject="answer", name=""):
    return Check(subject=subject, name=name, what=what, wanted=wanted, shown=str(wanted), place=HERE)


@pytest.mark.parametrize(
    ("what", "wanted", "text", "holds"),
    [
        ("contains", "Good", "all GOOD here", True),
        ("contains", "bad", "all good here", False),
        ("not_contains", "bad", "all good", True),
        ("not_contains", "GOOD", "all good", False),
        ("starts_with", "all", "  All good", True),
        ("starts_with", "good", "all good", False),
        ("matches", compile_pattern("^g..d$", "m", 0), "x\ngood", True),
        ("not_matches", compile_pattern("g..d", "", 0), "good", False),
        ("equals", "a", "a", True),
        ("equals", 3, "3", True),
        ("equals", 3, "3.5", False),
        ("equals", {"a": [1]}, '```json\n{"a": [1]}\n```', True),
        ("equals", True, "true", True),
        ("equals", True, "1", False),
        ("is_empty", True, " \n", True),
        ("is_empty", False, "", False),
        ("json", JsonField("a[0].b", ("a", 0, "b"), 3, HERE), '{"a": [{"b": 3}]}', True),
        ("json", JsonField("a", ("a",), 1, HERE), '{"a": true}', False),
        ("json", JsonField("a", ("a",), None, HERE), '{"a": null}', True),
        ("json", JsonField("b", ("b",), None, HERE), '{"a": null}', False),
        ("schema", {"type": "object", "required": ["a"]}, '{"a": 1}', True),
        ("schema", {"type": "object", "required": ["b"]}, '{"a": 1}', False),
        ("schema", {}, "no json", False),
    ],
)
def test_a_text_is_held_to_a_check(what, wanted, text, holds):
    assert (text_fault(check(what, wanted), text) is None) is holds


def test_no_text_holds_nothing():
    assert text_fault(check("not_contains", "x"), None) == "there is none"


def test_long_texts_are_cut_and_empty_ones_say_so():
    assert clipped("x" * SHOWN) == "x" * SHOWN
    assert clipped("x" * (SHOWN + 1)) == "x" * SHOWN + f"... ({SHOWN + 1} characters)"
    assert text_fault(check("contains", "x"), "") == "an empty text"


def ended(step, status="completed", **fields):
    return StepEnded(at=1.0, step=step, kind=fields.pop("kind", "prompt"), status=status, **fields)


def seen(*records, **fields):
    """Return the outcome of a run whose observers saw this."""
    watcher = Watcher()
    end = RunEnded(at=2.0, **{"status": "completed", "exit_code": 0, "response": "done", **fields})
    for record in (RunBegun(at=0.0, run="r", project="/p", file="p.yaml"), *records, end):
        watcher.see("r", record)
    return Outcome(
        ended=watcher.ended,
        steps=watcher.steps,
        files={"kept.txt": "old", "new.txt": "new", "picture.png": None},
        changed=frozenset({"new.txt", "gone.txt"}),
        values={"step": {"a": {"response": '{"score": 4}', "status": "completed"}}},
    )


def found(outcome, what, wanted, subject="run", name=""):
    return fault_of(check(what, wanted, subject, name), outcome)


def test_a_run_that_is_not_said_to_fail_must_complete():
    outcome = seen(status="failed", exit_code=1, step="a", message="the agent said no")
    [failure] = failures_of([check("contains", "done")], outcome, HERE)
    assert (failure.check, failure.found) == ("run: status completed", "failed at a: the agent said no")
    assert failures_of([check("status", "failed", "run")], outcome, HERE) == []
    assert failures_of([check("exit_code", 1, "run")], outcome, HERE) == []


def test_limits_hold_at_their_edge():
    usage = Usage(input_tokens=60, output_tokens=40)
    outcome = seen(ended("a", attempts=2), ended("b", cached=True), cost=500, usage=usage, duration=2.0)
    for what, most in (("max_cost", 500), ("max_duration", 2.0), ("max_tokens", 100), ("max_calls", 2)):
        assert found(outcome, what, most) is None
        assert found(outcome, what, most - 1) is not None
    booked = seen(cost=500, booked=700)
    assert found(booked, "max_cost", 600) == "$0.0000007"
    assert found(seen(), "max_cost", 0) is None


def test_files_are_there_changed_or_not():
    outcome = seen()
    holding = [("exists", "new.txt"), ("absent", "gone.txt"), ("changed", "gone.txt"), ("unchanged", "kept.txt")]
    failing = [("exists", "gone.txt"), ("absent", "new.txt"), ("changed", "kept.txt"), ("unchanged", "gone.txt")]
    assert [found(outcome, what, True, "file", name) for what, name in holding] == [None] * 4
    assert all(found(outcome, what, True, "file", name) for what, name in failing)
    assert found(outcome, "contains", "NEW", "file", "new.txt") is None
    assert found(outcome, "contains", "x", "file", "gone.txt") == "there is no such file"
    assert "no text" in found(outcome, "contains", "x", "file", "picture.png")
    assert found(outcome, "changed", ("new.txt", "gone.txt")) is None
    assert found(outcome, "changed", ("new.txt", "more.txt")) == "not more.txt, also gone.txt"


def test_outputs_and_messages_are_texts_too():
    outcome = seen(outputs={"verdict": "accept", "count": 3, "list": [1, 2]}, message="broken off by the step a")
    assert found(outcome, "equals", "accept", "output", "verdict") is None
    assert found(outcome, "equals", 3, "output", "count") is None
    assert found(outcome, "equals", [1, 2], "output", "list") is None
    assert found(outcome, "equals", [2], "output", "list") == "[1, 2]"
    assert found(outcome, "contains", "x", "output", "absent") == "the run has no such output"
    assert found(outcome, "contains", "step a", "message") is None


def test_expressions_hold_over_the_values_at_the_end():
    outcome = seen()
    assert found(outcome, "holds", parse_expression("step.a.json.score >= 4")) is None
    assert found(outcome, "holds", parse_expression("step.a.json.score > 4")) == "it does not"
    assert "has no value" in found(outcome, "holds", parse_expression("step.a.json.other > 4"))
    assert "no order" in found(outcome, "holds", parse_expression("step.a.json.score > [1]"))


def test_a_step_is_what_it_was_the_last_time_that_it_ran():
    outcome = seen(
        ended("loop#1::fix", response="no"),
        ended("loop#2::fix", response="yes", prompt="once more"),
        ended("loop#3::fix", "skipped"),
    )
    assert found(outcome, "equals", "yes", "step", "loop::fix") is None
    assert found(outcome, "contains", "once", "asked of", "loop::fix") is None
    assert found(outcome, "equals", "no", "step", "loop#1::fix") is None
    assert found(outcome, "status", "skipped", "step", "loop#3::fix") is None
    assert found(outcome, "runs", 2, "step", "loop::fix") is None
    assert found(outcome, "runs", 3, "step", "loop::fix") == "it ran 2 times"
    assert found(outcome, "ran", False, "step", "loop::fix") == "it ran"
    assert found(outcome, "ran", True, "step", "absent") == "its turn never came"
    assert found(outcome, "ran", True, "step", "loop#3::fix") == "it was skipped"
    assert found(outcome, "status", "completed", "step", "absent") == "its turn never came"


def test_programs_branches_gates_and_failures_of_steps_are_seen():
    gate = GateOpened(at=1.0, step="t", gate=Gate(id="g", run="r", step="t", kind="pause"))
    outcome = seen(
        ended("t", kind="shell", stdout="out\n", stderr="err", exit_code=2, changed=("a.txt",), cost=5, duration=3.0),
        BranchTaken(at=1.0, step="t", number=2, action="pause_for_human", why="exit_code any"),
        gate,
        ended("f", "failed", error=RunnerError(kind="auth", message="no key")),
    )
    for what, wanted in (
        ("exit_code", 2), ("branch", 2), ("branch", "pause_for_human"), ("asked", True), ("contains", "out\n\nerr"),
        ("files_changed", ("a.txt",)), ("max_cost", 5), ("max_duration", 3.0), ("max_calls", 0), ("cached", False),
    ):  # fmt: skip
        assert found(outcome, what, wanted, "step", "t") is None, what
    assert found(outcome, "branch", "none", "step", "t") == "branch 2 (pause_for_human), because exit_code any"
    assert found(outcome, "branch", "none", "step", "f") is None
    assert found(outcome, "branch", 1, "step", "f") == "none was taken"
    assert found(outcome, "asked", True, "step", "f") == "nobody was asked"
    assert found(outcome, "status", "completed", "step", "f") == "failed: no key"
    assert found(outcome, "contains", "x", "step", "f") == "there is none"


def test_steps_of_a_called_pipeline_stand_behind_a_slash():
    watcher = Watcher()
    watcher.see("r", RunBegun(at=0.0, run="r", project="/p", file="p.yaml"))
    watcher.see("r", ChildBegun(at=0.0, step="each#2::call", run="c"))
    watcher.see("c", RunBegun(at=0.0, run="c", project="/p", file="q.yaml"))
    watcher.see("c", StepBegun(at=0.0, step="only", kind="prompt"))
    watcher.see("c", ended("only", response="yes"))
    watcher.see("c", RunEnded(at=1.0, status="completed", exit_code=0))
    watcher.see("stranger", ended("only", response="no"))
    assert watcher.ended is None
    assert watcher.children == ["c"]
    outcome = Outcome(ended=RunEnded(at=1.0, status="completed", exit_code=0), steps=watcher.steps)
    assert found(outcome, "equals", "yes", "step", "each::call/only") is None
    assert found(outcome, "equals", "yes", "step", "each#2::call/only") is None
    assert isinstance(watcher.steps["each#2::call/only"], StepSeen)
