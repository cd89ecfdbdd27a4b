"""Gates of runs with the real queue: rejections, times, defaults."""

from __future__ import annotations

import pytest

from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.gates.files import GateFiles
from aexl_pipelines.gates.queue import FileGates
from aexl_pipelines.journal.records import GateDecided, Proposed, Verdict
from aexl_pipelines.proposals.ports import FileProposals


class Person:
    """Answers every gate alike."""

    def __init__(self, choice):
        self.asked = []
        self._verdict = Verdict(choice=choice, by="somebody", reason="because")

    async def answer(self, gate):
        self.asked.append(gate.id)
        return self._verdict

    def settled(self, gate, decided):
        raise AssertionError(decided)


@pytest.fixture
def runs(workshop):
    return workshop.host.data_dir / "runs"


@pytest.mark.parametrize(
    "step", ["action: pause_for_human", "prompt: x, on_result: [{always: true, action: pause_for_human}]"]
)
async def test_a_run_that_a_person_rejected_asks_anew_when_it_goes_on(workshop, runs, step):
    no, yes = Person("reject"), Person("approve")
    text = f"pipeline: [{{id: a, {step}}}, {{id: b, prompt: y}}]"
    result = await workshop.run(text, gates=FileGates(runs, answerer=no))
    assert (result.status, result.message) == ("rejected", "because")
    workshop.changes["gates"] = FileGates(runs, answerer=yes)
    assert (await workshop.resume(result.run)).status == "completed"
    assert (len(no.asked), len(yes.asked)) == (1, 1)
    assert [each.decided.verdict.choice for each in GateFiles(runs).listed(result.run)] == ["reject", "approve"]


@pytest.mark.parametrize(
    ("action", "default", "code", "choice"),
    [
        ("pause_for_human", "", 5, "reject"),
        ("pause_for_human", ", on_timeout: continue", 0, "approve"),
        ("preview_for_human", ", on_timeout: continue", 0, "approve"),
        ("modify_output", ", on_timeout: abort_pipeline", 5, "reject"),
    ],
)
async def test_a_gate_that_nobody_answers_in_its_time_has_its_default(workshop, runs, action, default, code, choice):
    result = await workshop.run(
        f"pipeline: [{{id: a, prompt: x}}, {{id: g, action: {action}, timeout: 0.05s{default},"
        " on_result: [{always: true, action: break}]}, {id: b, prompt: y}]",
        gates=FileGates(runs),
    )
    [decided] = [each.verdict for each in workshop.records(result) if isinstance(each, GateDecided)]
    assert (result.exit_code, decided.choice, decided.by) == (code, choice, "timeout")
    assert workshop.statuses(result) == {"a": "completed", "g": "completed" if code == 0 else "rejected"}
    assert [each.decided.verdict for each in GateFiles(runs).listed()] == [decided]


async def test_what_is_usual_for_steps_opens_no_gate(workshop, runs):
    result = await workshop.run(
        "defaults: {on_timeout: continue}\n"
        "pipeline: [{id: a, prompt: x}, {id: g, action: pause_for_human, timeout: 0.05s}, {id: b, prompt: y}]",
        gates=FileGates(runs),
    )
    assert (result.exit_code, workshop.statuses(result)) == (5, {"a": "completed", "g": "rejected"})


@pytest.mark.parametrize(("default", "code"), [("", 5), (", on_timeout: continue", 0)])
async def test_a_change_that_nobody_looks_at_in_its_time_is_not_made(workshop, runs, default, code):
    text = (
        "pipeline:\n"
        "  - {id: a, prompt: propose}\n"
        f"  - {{id: p, action: propose_pipeline_change, timeout: 0.05s{default}}}\n"
        "  - {id: b, prompt: old}\n"
    )
    workshop.stub = {"answers": {"propose": "```yaml\n" + text.replace("old", "new") + "```"}, "answer": "x"}
    proposals = FileProposals(DiskFiles(workshop.project, workshop.project))
    result = await workshop.run(text, gates=FileGates(runs), proposals=proposals)
    assert result.exit_code == code
    assert [each.applied for each in workshop.records(result) if isinstance(each, Proposed)] == [False]
    assert (workshop.project / ".aexl.yaml").read_text() == text
