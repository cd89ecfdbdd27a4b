"""Files: snapshots around steps, what has changed, copies for branches, merging."""

from __future__ import annotations

import pytest

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.execution.recent import FRESH, Recent
from aexl_pipelines.journal.folders import list_runs
from aexl_pipelines.journal.records import Forked, Merged, Noted, RunBegun, RunOptions, StepBegun, Verdict
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


@pytest.mark.slow
async def test_a_fork_takes_over_what_branches_made_and_leaves_their_copies_to_the_run_it_comes_from(workshop, trees):
    workshop.stub = {"error": "provider"}
    result = await workshop.run(
        """
        pipeline:
          - {id: left, async: true, context: {shell: "echo left > a"}}
          - id: right
            async: true
            for_each: {over: [1], steps: [{id: wait, context: {shell: "sleep 1"}}, {id: ask, prompt: x}]}
          - {id: j, action: join, depends_on: [right, left]}
        """
    )
    assert result.exit_code == 1
    workshop.stub = {"files": {"b": "right"}}
    forked = await workshop.fork(result.run, from_step="right#1::ask")
    assert forked.exit_code == 0
    assert (workshop.project / "a").read_text() == "left\n"
    assert (workshop.project / "b").read_text() == "right"
    assert workshop.ended(forked)["left"].cached
    assert (next((result.folder / "copies").glob("left-*")) / "a").read_text() == "left\n"
    (workshop.project / "a").unlink()
    assert (await workshop.resume(result.run)).exit_code == 0
    assert (workshop.project / "a").read_text() == "left\n"


async def test_a_turn_that_goes_on_finds_the_files_of_its_steps_though_its_copy_is_gone(workshop, trees):
    workshop.stub = {"error": "provider"}
    result = await workshop.run(
        """
        pipeline:
          - id: each
            for_each:
              over: [1, 2]
              parallel: 2
              steps:
                - {id: a, context: {shell: "echo $N > f$N"}, env: {N: "{{ for_each.item }}"}}
                - {id: b, prompt: x}
                - {id: c, context: {shell: "ls"}}
        """
    )
    assert result.exit_code == 1
    workshop.stub = {}
    failed = next(step for step, status in workshop.statuses(result).items() if status == "failed" and "::" in step)
    forked = await workshop.fork(result.run, from_step=failed)
    assert forked.exit_code == 0
    ended = workshop.ended(forked)
    assert (ended["each#1::c"].stdout, ended["each#2::c"].stdout) == ("f1", "f2")
    assert sorted(path.name for path in workshop.project.iterdir()) == [".aexl.yaml", "f1", "f2"]


async def test_a_fork_does_again_what_was_cancelled_when_its_step_failed(workshop, trees, tmp_path):
    again = tmp_path / "again"
    workshop.stub = {"error": "provider"}
    result = await workshop.run(
        f"""
        pipeline:
          - id: each
            for_each:
              over: [1, 2]
              parallel: 2
              steps:
                - {{id: a, context: {{shell: "[ $N = 1 -o -e '{again}' ] || sleep 100; echo $N > f$N"}},
                   env: {{N: "{{{{ for_each.item }}}}"}}}}
                - {{id: b, prompt: x}}
        """
    )
    statuses = workshop.statuses(result)
    assert (statuses["each#1::b"], statuses["each#2::a"]) == ("failed", "cancelled")
    workshop.stub = {}
    again.touch()
    assert (await workshop.fork(result.run, from_step="each#1::b")).exit_code == 0
    assert (workshop.project / "f2").read_text() == "2\n"


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


class Counting(SnapshotTrees):
    """Remembers what was captured for what."""

    def __init__(self, snapshots, scratch):
        super().__init__(snapshots, scratch)
        self.taken = []

    async def capture(self, folder, message):
        self.taken.append(message.split(" of run")[0].split(" run ")[0])
        return await super().capture(folder, message)


@pytest.fixture
def counted(workshop, tmp_path):
    found = Counting(FakeSnapshots(), tmp_path / "scratch")
    workshop.changes["trees"] = found
    return found


async def test_the_end_of_a_step_and_the_begin_of_the_next_are_one_look_at_the_files(workshop, counted):
    result = await workshop.run(
        "pipeline: [{id: a, context: {shell: 'echo 1 > x'}}, {id: b, context: {shell: 'true'}}]"
    )
    ended = workshop.ended(result)
    assert counted.taken == ["before", "after a", "after b"]
    assert ended["a"].after == ended["b"].before == ended["b"].after


async def test_what_comes_after_a_branchs_own_step_is_merged_too(workshop, counted):
    result = await workshop.run(
        """
        pipeline:
          - {id: plain, async: true, context: {shell: "echo 1 > plain"}}
          - id: more
            async: true
            context: {shell: "echo 1 > own"}
            then: [{context: {shell: "echo 2 > chained"}}]
          - {id: j, action: join, depends_on: [plain, more]}
        """
    )
    assert result.exit_code == 0
    assert {path.name for path in workshop.project.iterdir()} >= {"plain", "own", "chained"}
    assert counted.taken.count("after plain") == 1


async def test_after_a_person_was_asked_the_files_are_looked_at_again(workshop, counted, scripted):
    class Editing(type(scripted())):
        async def ask(self, gate):
            (workshop.project / "edited").write_text("by a person")
            return Verdict(choice="approve")

    result = await workshop.run(
        "pipeline: [{id: a, context: {shell: 'true'}}, {id: g, action: pause_for_human}, {id: b, context: {shell: 'true'}}]",
        gates=Editing(),
    )
    ended = workshop.ended(result)
    assert counted.taken == ["before", "after a", "before b", "after b"]
    assert ended["a"].after != ended["b"].before == ended["b"].after


@pytest.mark.parametrize(("seconds", "looks"), [(FRESH, 0), (FRESH + 0.001, 1)])
def test_a_look_at_the_files_counts_for_a_moment(tmp_path, seconds, looks):
    recent = Recent()
    recent.take(tmp_path, ObjectId("1" * 64), 0.0)
    assert (recent.find(tmp_path, seconds) is None) is bool(looks)
    assert recent.find(tmp_path / "other", 0.0) is None
    recent.hear(StepBegun(at=1.0, step="a", kind="shell"))
    assert recent.find(tmp_path, 0.0) is not None
    recent.hear(Noted(at=1.0, text="anything else"))
    assert recent.find(tmp_path, 0.0) is None


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
    assert [type(each) for each in workshop.records(result)[:2]] == [RunBegun, Noted]
    assert [each.run for each in list_runs(workshop.host.data_dir)] == [result.run]
