"""Random small pipelines, broken off anywhere and resumed, end as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl_pipelines.journal.records import Progress, RunOptions, StepEnded

NAMES = st.sampled_from(["x", "y", "z"])


def leaf() -> st.SearchStrategy[dict[str, Any]]:
    prompt = st.builds(lambda n: {"prompt": f"say {n} after {{{{ last_response | default('nothing') }}}}"}, NAMES)
    shell = st.builds(lambda n, code: {"context": {"shell": f"echo {n}; exit {code}"}}, NAMES, st.sampled_from([0, 1]))
    skipped = st.just({"prompt": "no", "condition": "never"})
    tolerated = st.just({"prompt": "fail", "on_error": "continue"})
    branching = st.builds(
        lambda n, action: {"prompt": n, "on_result": [{"contains": "x", "action": action}]},
        NAMES,
        st.sampled_from(["continue", "break", "pipeline: named"]),
    )
    return st.one_of(prompt, shell, skipped, tolerated, branching)


def numbered(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": f"s{number}", **step} for number, step in enumerate(steps)]


def grow(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    steps = st.lists(inner, min_size=1, max_size=3).map(numbered)
    again = st.builds(
        lambda body, n: {"do_while": {"max_iterations": 3, "exit_if": f"do_while.iteration == {n}", "steps": body}},
        steps,
        st.integers(0, 2),
    )
    each = st.builds(
        lambda body, parallel: {"for_each": {"over": [1, 2], "parallel": parallel, "steps": body}},
        steps,
        st.integers(1, 2),
    )
    chained = st.builds(lambda step, more: {**step, "before": [more], "then": [more]}, leaf(), leaf())
    return st.one_of(again, each, chained, st.just({"pipeline": "named"}))


PIPELINES = st.lists(st.recursive(leaf(), grow, max_leaves=4), min_size=1, max_size=4).map(numbered)


def branched(steps: list[dict[str, Any]], branches: bool) -> list[dict[str, Any]]:
    """Return the steps side by side, with a join; which of several a ``break`` cancels is left to chance, so it is gone then."""
    text = json.dumps(steps)
    if branches or '"parallel": 2' in text:
        steps = json.loads(text.replace('"action": "break"', '"action": "continue"'))
    if not branches:
        return steps
    names = [step["id"] for step in steps]
    return [*({**step, "async": True} for step in steps), {"id": "all", "action": "join", "depends_on": names}]


def values_of(result: Any, records: Any) -> Any:
    """Return what a run came to: its answer, and what each of its steps has said."""
    ended = {each.step: each for each in records if isinstance(each, StepEnded)}
    said = {step: (each.status, each.response, each.stdout, each.exit_code) for step, each in ended.items()}
    return result.status, result.response, said


async def check(workshop: Any, steps: list[dict[str, Any]], cut_at: float) -> None:
    pipeline = {"pipeline": steps, "pipelines": {"named": [{"id": "n", "prompt": "{{ step.invocation.prompt }} x"}]}}
    workshop.stub = {"answers": {"say x": "x", "say y": "y"}, "answer": "z x"}
    text = json.dumps(pipeline)
    whole = await workshop.run(text, options=RunOptions(runner="stub"))
    told = [(run, seen) for run, seen in workshop.heard.seen if not isinstance(seen, Progress)]
    wanted = values_of(whole, workshop.records(whole))
    keep = Counter(run for run, _ in told[: max(1, int(len(told) * cut_at))])
    for folder in (workshop.host.data_dir / "runs").iterdir():
        lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
        if keep[folder.name] == 0:
            shutil.rmtree(folder)
        else:
            torn = lines[keep[folder.name]][:-7] if keep[folder.name] < len(lines) else b""
            (folder / "journal.jsonl").write_bytes(b"".join(lines[: keep[folder.name]]) + torn)
    again = await workshop.resume(whole.run)
    records = workshop.records(again)
    assert values_of(again, records) == wanted
    ended = Counter(each.step for each in records if isinstance(each, StepEnded) and each.status != "cancelled")
    assert set(ended.values()) <= {1}, ended


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(steps=PIPELINES, branches=st.booleans(), cut_at=st.floats(0, 0.999))
def test_a_run_that_is_broken_off_anywhere_ends_as_if_nothing_had_happened(make_workshop, steps, branches, cut_at):
    with tempfile.TemporaryDirectory() as folder:
        trio.run(check, make_workshop(Path(folder)), branched(steps, branches), cut_at)


@pytest.mark.long
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=PIPELINES, branches=st.booleans(), cut_at=st.floats(0, 0.999))
def test_many_runs_that_are_broken_off_end_as_if_nothing_had_happened(make_workshop, steps, branches, cut_at):
    with tempfile.TemporaryDirectory() as folder:
        trio.run(check, make_workshop(Path(folder)), branched(steps, branches), cut_at)
