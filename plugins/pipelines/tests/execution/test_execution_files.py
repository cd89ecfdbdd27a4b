"""Files: snapshots around steps, what has changed, copies for branches, merging."""

from __future__ import annotations

import pytest

from aexl.errors import Invalid
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.journal.records import Forked, Merged, Noted, RunOptions, StepBegun, Verdict
from aexl_pipelines.trees.ports import SnapshotTrees


@pytest.fixture
def trees(workshop, tmp_path):
    found = SnapshotTrees(FakeSnapshots(), tmp_path / "scratch")
    workshop.changes["trees"] = found
    return found


async def test_steps_that_may_write_stand_between_snapshots(workshop, trees):
    result = await workshop.run(
        """
        pipeline:
          - {id: a, context: {shell: "echo 1 > new"}}
          - {id: b, if: if_code_changed, prompt: "{{ step.a.files_changed }} {{ step.a.diff }}", tools: {disabled: true}}
          - {id: c, action: break}
        """
    )
    ended = workshop.ended(result)
    assert ended["a"].changed == ("new",)
    assert ended["a"].before != ended["a"].after
    assert ended["b"].before is None
    assert '["new"]' in ended["b"].prompt
    assert "+1" in ended["b"].prompt


async def test_nothing_has_changed_as_long_as_nothing_has(workshop, trees):
    result = await workshop.run(
        "pipeline: [{id: a, context: {shell: 'true'}}, {id: b, if: if_code_changed, prompt: x}]"
    )
    assert workshop.statuses(result)["b"] == "skipped"


async def test_without_snapshots_files_count_as_changed(workshop):
    result = await workshop.run("pipeline: [{id: b, if: if_code_changed, prompt: x}]")
    assert workshop.statuses(result)["b"] == "completed"


BRANCHES = """
pipeline:
  - {id: left, async: true, context: {shell: "echo left > %s; ls; pwd"}}
  - {id: right, async: true, context: {shell: "echo right > %s; ls; pwd"}}
  - {id: j, action: join, depends_on: [left, right]}
  - {id: see, context: {shell: "cat *"}}
"""


async def test_branches_that_write_do_not_see_one_another_and_are_merged(workshop, trees):
    (workshop.project / "old").write_text("old\n")
    result = await workshop.run(BRANCHES % ("a", "b"))
    ended = workshop.ended(result)
    assert result.exit_code == 0
    assert ended["left"].stdout.split()[:2] == ["a", "old"]
    assert ended["right"].stdout.split()[:2] == ["b", "old"]
    assert ended["see"].stdout == "left\nright\nold"
    kinds = [type(each).__name__ for each in workshop.records(result) if isinstance(each, Forked | Merged)]
    assert sorted(kinds) == ["Forked", "Forked", "Merged", "Merged"]
    assert not list((result.folder / "copies").iterdir())


@pytest.mark.parametrize(("verdict", "code"), [(Verdict(choice="approve"), 0), (Verdict(choice="reject"), 5)])
async def test_what_does_not_go_together_is_a_gate(workshop, trees, scripted, verdict, code):
    gates = scripted(verdict)
    result = await workshop.run(BRANCHES % ("same", "same"), gates=gates)
    assert result.exit_code == code
    assert gates.asked[0].kind == "conflict"


async def test_parallel_turns_that_write_are_merged_in_their_order(workshop, trees):
    result = await workshop.run(
        """
        pipeline:
          - id: each
            for_each:
              over: [1, 2, 3]
              parallel: 3
              steps: [{id: a, context: {shell: "ls; echo $N > f$N"}, env: {N: "{{ for_each.item }}"}}]
        """
    )
    assert result.exit_code == 0
    assert sorted(path.name for path in workshop.project.iterdir()) == [".aexl.yaml", "f1", "f2", "f3"]
    assert all(workshop.ended(result)[f"each#{n}::a"].stdout == "" for n in (1, 2, 3))


async def test_a_dry_run_looks_at_no_files(workshop, trees):
    result = await workshop.run(BRANCHES % ("a", "b"), options=RunOptions(dry_run=True))
    assert result.exit_code == 0
    assert not any(isinstance(each, StepBegun) and each.before for each in workshop.records(result))


async def test_a_branch_that_had_ended_is_merged_by_the_run_that_goes_on(workshop, trees):
    workshop.stub = {"error": "provider", "seconds": 0.4}
    result = await workshop.run(
        """
        pipeline:
          - {id: left, async: true, context: {shell: "echo left > a"}}
          - {id: right, async: true, prompt: x}
          - {id: j, action: join, depends_on: [right, left]}
        """
    )
    assert result.exit_code == 1
    assert not (workshop.project / "a").exists()
    workshop.stub = {"files": {"b": "right"}}
    assert (await workshop.resume(result.run)).exit_code == 0
    assert (workshop.project / "a").read_text() == "left\n"
    assert (workshop.project / "b").read_text() == "right"


async def test_branches_that_cannot_write_work_in_no_copies(workshop, trees):
    result = await workshop.run(
        """
        defaults: {tools: {disabled: true}}
        pipeline:
          - {id: a, async: true, prompt: x}
          - {id: b, async: true, for_each: {over: [1], steps: [{id: s, prompt: x}]}}
          - {id: j, action: join, depends_on: [a, b]}
        """
    )
    assert result.exit_code == 0
    assert not any(isinstance(each, Forked) for each in workshop.records(result))


@pytest.mark.parametrize(("last", "left"), [("break", False), ("abort_pipeline", False), ("pause_for_human", True)])
async def test_copies_go_with_a_run_that_nobody_resumes(workshop, trees, last, left):
    result = await workshop.run(
        f"pipeline: [{{id: a, async: true, context: {{shell: 'echo 1 > new; sleep 100'}}}}, {{id: c, action: {last}}},"
        " {id: j, action: join, depends_on: [a]}]"
    )
    assert result.exit_code == {"break": 0, "abort_pipeline": 4, "pause_for_human": 5}[last]
    assert any((result.folder / "copies").iterdir()) is left


class Unreadable(SnapshotTrees):
    """Files that no snapshot can hold."""

    async def capture(self, folder, message):
        raise Invalid("a and A are one name elsewhere")


async def test_files_that_no_snapshot_can_hold_are_noted_and_the_run_goes_on(workshop, tmp_path):
    workshop.changes["trees"] = Unreadable(FakeSnapshots(), tmp_path / "scratch")
    result = await workshop.run("pipeline: [{id: a, context: {shell: 'echo 1 > new'}}]")
    noted = [each.text for each in workshop.records(result) if isinstance(each, Noted)]
    assert result.exit_code == 0
    assert all("a and A are one name" in text for text in noted)
    assert noted
