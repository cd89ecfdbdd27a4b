"""What the executor asks of the rest of the house: permissions, access and bookings, changes of the pipeline."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import trio

from aexl.api.governed import Access
from aexl.errors import Invalid, Refused, Unavailable
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.execution.contexts import program_environment
from aexl_pipelines.journal.records import (
    GateDecided,
    GateOpened,
    Proposed,
    RunBegun,
    RunEnded,
    RunOptions,
    Verdict,
)
from aexl_pipelines.proposals.ports import FileProposals

# what a CLI that asks for a permission says and is told (the protocol of claude)
ASKING = """
import json, sys
def say(**message): print(json.dumps(message), flush=True)
say(type="system", subtype="init", session_id="s1", model="m")
request = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "rm x"}}
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "control_request":
        say(type="control_response", response={"subtype": "success", "request_id": message["request_id"], "response": {}})
    elif message["type"] == "user":
        say(type="control_request", request_id="q1", request=request)
    elif message["type"] == "control_response":
        answer = message["response"]["response"]
        text = answer["behavior"] + " " + json.dumps(answer.get("updatedInput"))
        say(type="result", subtype="success", is_error=False, result=text, session_id="s1", num_turns=1,
            total_cost_usd=0.25, usage={"input_tokens": 1, "output_tokens": 1})
        break
"""


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict(choice="approve"), "allow"),
        (Verdict(choice="reject", reason="no"), "deny"),
        (Verdict(choice="edit", text='{"command": "ls"}'), 'allow {"command": "ls"}'),
        (Verdict(choice="edit", text="no json"), "deny"),
    ],
)
async def test_an_agents_question_is_a_gate(workshop, scripted, verdict, said):
    program = workshop.project / "claude"
    program.write_text(f"#!{sys.executable} -S\n{ASKING}")
    program.chmod(0o755)
    workshop.options = {"claude": {"program": str(program)}}
    gates = scripted(verdict)
    with trio.fail_after(10):
        result = await workshop.run("pipeline: [{id: a, prompt: x}]", gates=gates, options=RunOptions())
    assert (result.exit_code, result.cost) == (0, 250_000_000)
    assert result.response.startswith(said)
    assert (gates.asked[0].kind, gates.asked[0].detail["tool"]) == ("permission", "Bash")
    decided = [record for record in workshop.records(result) if isinstance(record, GateOpened | GateDecided)]
    assert len(decided) == 2


class Governing:
    """A governor that gives an access and books a cent for each step."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.recorded: list[object] = []
        self.runs: list[RunBegun] = []
        self.agent = "payer/run"

    @asynccontextmanager
    async def run(self, begun, budget):
        self.runs.append(begun)
        self.budget = budget
        yield self

    @asynccontextmanager
    async def step(self, address, budget):
        self.steps.append(address)
        yield Access(url="http://127.0.0.1:9", token="aexl_t_secret-of-a-step", run="r")
        self.steps.append(f"/{address}")

    async def booked(self, address=None):
        return 10_000_000 if address else 20_000_000

    async def record(self, record):
        self.recorded.append(record)


async def test_a_governed_run_has_an_access_for_each_attempt_and_what_was_booked(workshop):
    governor = Governing()
    program = workshop.project / "agent"
    program.write_text('#!/bin/sh\necho "$OPENAI_BASE_URL $OPENAI_API_KEY $HOME $SECRET_KEY"\n')
    program.chmod(0o755)
    workshop.options = {"exec": {"command": [str(program)]}}
    workshop.environ = {**workshop.environ, "OPENAI_API_KEY": "the machine's", "SECRET_KEY": "x"}
    result = await workshop.run(
        "{budget: 1.00, pipeline: [{id: a, prompt: x}, {id: b, context: {shell: 'echo $OPENAI_API_KEY; test $OPENAI_API_KEY = $AEXL_TOKEN'}}]}",
        governor=governor,
        options=RunOptions(runner="exec"),
    )
    ended = workshop.ended(result)
    assert result.booked == 20_000_000
    assert ended["a"].booked == 10_000_000
    assert ended["a"].response.strip() == f"http://127.0.0.1:9/v1 *** {result.folder}/homes/{ended['a'].home}"
    assert ended["b"].stdout == "***"
    assert governor.steps == ["a", "/a", "b", "/b"]
    assert [type(record) for record in governor.recorded] == [RunBegun, RunEnded]
    assert (governor.recorded[0].agent, governor.budget.usd) == ("payer/run", 10**9)


class Asking:
    """A step type that is refused what it asks for."""

    name = "ask"

    def __init__(self):
        self.given = []

    def parse(self, arguments):
        return self

    async def run(self, run):
        self.given.append(run.access)
        raise Refused("the run's budget is spent", code="insufficient_budget", status=402)


async def test_a_step_of_a_plugin_has_the_runs_access_and_what_it_is_refused_denies_it(workshop):
    kind, governor = Asking(), Governing()
    workshop.step_types = {"ask": kind}
    text = "pipeline: [{id: a, use: ask, retry: 2}]"
    result = await workshop.run(text, governor=governor)
    assert [access.token for access in kind.given] == ["aexl_t_secret-of-a-step"]
    assert governor.steps == ["a", "/a"]
    error = workshop.ended(result)["a"].error
    assert (error.kind, error.status, result.exit_code) == ("budget", 402, 7)
    await workshop.run(text)
    assert kind.given[1:] == [None]


async def test_a_run_that_must_be_governed_does_not_begin_without_a_governor(workshop):
    with pytest.raises(Unavailable, match="--govern"):
        await workshop.run("pipeline: [{id: a, prompt: x}]", options=RunOptions(runner="stub", govern=True))
    assert not list((workshop.host.data_dir / "runs").glob("*"))


async def test_a_step_with_an_endpoint_of_its_own_is_refused_where_the_run_must_be_governed(workshop):
    text = "pipeline: [{id: a, prompt: x, runner: http, model: m, provider: {base_url: 'http://127.0.0.1:1/v1'}}]"
    result = await workshop.run(text, governor=Governing(), options=RunOptions(govern=True))
    assert (result.exit_code, "is governed" in result.message) == (1, True)
    with pytest.raises(Invalid, match="end with /v1"):
        await workshop.run(text.replace(":1/v1", ":1/api"), options=RunOptions())


@pytest.mark.parametrize(("choice", "code", "applied"), [("approve", 0, True), ("reject", 5, False)])
async def test_a_change_of_the_pipeline_is_made_when_a_person_agrees(workshop, scripted, choice, code, applied):
    text = (
        "# mine\npipeline:\n"
        "  - {id: a, prompt: propose}\n"
        "  - {id: p, action: propose_pipeline_change}\n"
        "  - {id: b, prompt: old}\n"
    )
    workshop.stub = {"answers": {"propose": "```yaml\n" + text.replace("old", "new") + "```"}, "answer": "x"}
    proposals = FileProposals(DiskFiles(workshop.project, workshop.project))
    result = await workshop.run(text, gates=scripted(Verdict(choice=choice)), proposals=proposals)
    assert result.exit_code == code
    record = next(each for each in workshop.records(result) if isinstance(each, Proposed))
    assert (record.applied, "+  - {id: b, prompt: new}" in record.patch) == (applied, True)
    assert ("new" in (workshop.project / ".aexl.yaml").read_text()) == applied


async def test_an_answer_that_is_no_change_fails_the_step(workshop):
    proposals = FileProposals(DiskFiles(workshop.project, workshop.project))
    result = await workshop.run(
        "pipeline: [{id: a, prompt: x}, {id: p, action: apply_pipeline_diff}]", proposals=proposals
    )
    assert result.exit_code == 1
    assert workshop.statuses(result)["p"] == "failed"


@pytest.mark.parametrize(("governed", "left"), [(True, {"HOME": "/h"}), (False, {"HOME": "/h", "OPENAI_API_KEY": "x"})])
def test_a_program_that_asks_no_model_gets_no_key_where_the_run_is_governed(governed, left):
    ports = SimpleNamespace(environ={"HOME": "/h", "OPENAI_API_KEY": "x"})
    assert program_environment(SimpleNamespace(ports=ports, is_governed=governed)) == left
