"""Cancelling in every state: an end in the journal, and nothing alive a second later."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from aexl_pipelines.journal.folders import summarize
from aexl_pipelines.journal.records import RunOptions

STUBBORN = (
    "trap '' TERM INT; echo $$ >> pids; (trap '' TERM INT; setsid sleep 100 & echo $! >> pids; sleep 100); sleep 100"
)
STATES = {
    "shell": "- {id: a, context: {shell: *line}}",
    "agent": "- {id: a, prompt: x, runner: exec}",
    "branch": "- {id: a, async: true, context: {shell: *line}}\n- {id: j, action: join, depends_on: [a]}",
    "loop": "- {id: a, for_each: {over: [1, 2], parallel: 2, steps: [{id: s, context: {shell: *line}}]}}",
    "chain": "- {id: a, prompt: x, before: [{context: {shell: *line}}]}",
    "child": "- {id: a, pipeline: named}",
    "extra": "- {id: a, prompt: x, append_system_prompt: [{shell: *line}]}",
}


def pipeline(state: str) -> str:
    text = f'x-line: &line "{STUBBORN}"\npipeline:\n'
    text += "\n".join(f"  {line}" for line in STATES[state].split("\n"))
    return text + "\npipelines: {named: [{id: b, context: {shell: *line}}]}\n"


def alive(folder: Path) -> list[int]:
    pids = [int(word) for word in (folder / "pids").read_text().split()]
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        found += [pid] if state != "Z" else []
    return found


async def started(folder: Path) -> None:
    with trio.fail_after(30):
        while not (folder / "pids").exists() or len((folder / "pids").read_text().split()) < 2:
            await trio.sleep(0.01)


def prepare(workshop):
    program = workshop.project / "agent"
    program.write_text(f"#!/bin/sh\n{STUBBORN}\n")
    program.chmod(0o755)
    workshop.options = {"exec": {"command": [str(program)]}}


@pytest.mark.slow
@pytest.mark.parametrize("state", list(STATES))
async def test_nothing_is_alive_a_second_after_cancelling(workshop, state):
    prepare(workshop)
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await workshop.run(pipeline(state), options=RunOptions(runner="exec" if state == "agent" else "stub"))

        nursery.start_soon(run)
        await started(workshop.project)
        began = time.monotonic()
        nursery.cancel_scope.cancel()
    assert time.monotonic() - began < 5  # less than a second, where nothing else is done
    assert not alive(workshop.project)
    states = {summarize(folder).state for folder in (workshop.host.data_dir / "runs").iterdir()}
    assert states == {"cancelled"}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["timeout", "time", "fail_fast"])
async def test_nothing_is_alive_when_a_run_was_ended_otherwise(workshop, how):
    prepare(workshop)
    rest = {"time": "\nbudget: {time: 1s}", "timeout": "", "fail_fast": ""}[how]
    text = pipeline("branch")
    if how == "fail_fast":
        workshop.stub = {"error": "provider", "seconds": 1}
        text = text.replace("  - {id: j", "  - {id: f, async: true, prompt: x}\n  - {id: j").replace("[a]", "[a, f]")
    options = RunOptions(runner="stub", timeout=1 if how == "timeout" else None)
    result = await workshop.run(text + rest, options=options)
    assert result.exit_code == {"timeout": 6, "time": 7, "fail_fast": 1}[how]
    assert not alive(workshop.project)
    assert workshop.statuses(result)["a"] == "cancelled"


@pytest.mark.slow
async def test_a_budget_that_is_used_up_while_an_agent_works_ends_it(workshop):
    prepare(workshop)
    program = workshop.project / "agent"
    spent = '{"type": "spent", "usage": {"input_tokens": 500}, "cost": 5}'
    program.write_text(f"#!/bin/sh\necho '{spent}'\n{STUBBORN}\n")
    workshop.options = {"exec": {"command": [str(program)], "output": "events"}}
    result = await workshop.run(
        "{budget: {tokens: 100}, pipeline: [{id: a, prompt: x}]}", options=RunOptions(runner="exec")
    )
    assert (result.exit_code, result.cost, result.usage.input_tokens) == (7, 5, 500)
    assert not (workshop.project / "pids").exists() or not alive(workshop.project)
