"""Which snapshots a run and its steps stand between, and how their differences are shown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio

from aexl.api import FileChange, ObjectId
from aexl.errors import NotFound
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.journal.records import Forked, Merged, RunResumed, StepBegun
from aexl_pipelines.trees.keeping import drop_runs, keep_run, owner, snapshots_of
from aexl_pipelines.trees.patches import count_lines, lines_of
from aexl_pipelines.trees.ports import SnapshotTrees
from aexl_pipelines.trees.spans import span_of

A, B, C, D, E = (ObjectId(letter * 64) for letter in "abcde")
HERE = Path("/project")


def ends(span):
    return span.before, span.after


@pytest.fixture
def looped(make):
    """A step, two turns of a loop with two steps each, one of which writes nothing."""
    return [
        make.begun(HERE),
        *make.step("plan", A, A),
        StepBegun(at=2.0, step="loop", kind="do_while", before=A),
        *make.step("loop#1::fix", A, B),
        *make.step("loop#1::test", B, B),
        *make.step("loop#2::fix", B, C),
        *make.step("loop#2::test", C, D),
        make.step("loop", A, D)[1],
        *make.step("say", None, None),
        make.ended(A, D),
    ]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (None, (A, D)),
        ("plan", (A, A)),
        ("loop", (A, D)),
        ("loop#1", (A, B)),
        ("loop#2", (B, D)),
        ("loop#2::fix", (B, C)),
        ("loop::fix", (A, C)),
        ("say", (None, None)),
    ],
)
def test_a_step_stands_between_its_own_snapshots(looped, step, expected):
    assert ends(span_of(looped, step)) == expected


def test_a_step_that_does_not_exist_is_not_found(looped):
    with pytest.raises(NotFound, match=r"did you mean 'plan'"):
        span_of(looped, "plann")
    with pytest.raises(NotFound, match="known are loop, loop#1::fix"):
        span_of(looped, "zzz")
    with pytest.raises(NotFound, match="which run"):
        span_of([], None)


def test_what_has_not_ended_has_no_after(make):
    records = [make.begun(HERE), *make.step("a", A, B), make.step("b", B, None)[0]]
    assert ends(span_of(records)) == (A, None)
    assert ends(span_of(records, "a")) == (A, B)
    assert ends(span_of(records, "b")) == (B, None)
    assert span_of(records, "b").name == f"{make.run}/b"


def test_a_step_that_was_broken_off_and_ran_again_began_when_it_first_began(make):
    records = [make.begun(HERE), make.step("a", A, None)[0], RunResumed(at=4.0), *make.step("a", B, C)]
    assert ends(span_of(records, "a")) == (A, C)
    assert ends(span_of([*records, make.ended()])) == (A, C)


def test_a_step_that_ran_again_after_its_end_began_then(make):
    records = [make.begun(HERE), *make.step("a", A, B), RunResumed(at=4.0), *make.step("a", B, C), make.ended(A, C)]
    assert ends(span_of(records, "a")) == (B, C)
    assert ends(span_of(records)) == (A, C)


def test_nobody_knows_where_a_run_ended_that_was_cancelled_within_a_step(make):
    begun, broken = make.step("b", B, None, status="cancelled")
    records = [make.begun(HERE), *make.step("a", A, B), begun, broken, make.ended()]
    assert ends(span_of(records)) == (A, None)
    assert ends(span_of(records, "b")) == (B, None)
    assert ends(span_of([*records[:-1], make.ended(A, D)])) == (A, D)


def test_a_run_that_says_where_it_began_began_there(make):
    records = [msgspec.structs.replace(make.begun(HERE), before=E), *make.step("a", A, B), make.ended()]
    assert ends(span_of(records)) == (E, B)


def test_a_run_that_goes_on_after_its_end_has_none(make):
    records = [make.begun(HERE), *make.step("a", A, B), make.ended(A, B), RunResumed(at=9.5)]
    assert ends(span_of(records)) == (A, None)


def test_branches_in_copies_do_not_count_for_the_run(make):
    records = [
        make.begun(HERE),
        *make.step("a", A, B),
        Forked(at=3.0, step="branch", folder="/copies/branch", base=B),
        *make.step("branch", B, E),
        Merged(at=4.0, step="branch", base=B, theirs=E, snapshot=C),
        *make.step("b", C, D),
        make.ended(),
    ]
    assert ends(span_of(records)) == (A, D)
    assert ends(span_of(records, "branch")) == (B, E)
    assert snapshots_of(records) == (A, B, E, C, D)


async def test_a_run_keeps_what_its_journal_names_until_it_is_dropped(make, tmp_path):
    snapshots = FakeSnapshots()
    (tmp_path / "f").mkdir()
    made = []
    for text in "abc":
        (tmp_path / "f" / "x").write_text(text)
        made.append(await snapshots.capture(str(tmp_path / "f"), text))
    records = [make.begun(HERE), *make.step("a", *made[:2]), make.ended(*made[:2])]
    await keep_run(snapshots, "one", records)
    await keep_run(snapshots, "two", [make.begun(HERE)])
    trees = SnapshotTrees(snapshots, tmp_path)
    await trees.keep("one", [made[1], made[2]])
    await trees.keep("one", made)
    assert snapshots.kept == {owner("one"): set(made)}
    await drop_runs(snapshots, [])
    await drop_runs(snapshots, ["one", "two"])
    assert snapshots.kept == {}


PATCH = """\
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1,3 +1,3 @@
 x
--- title
+++ title
 y
diff --git a/bin b/bin
Binary files differ: 3 bytes -> 4 bytes
diff --git a/old b/new
similarity index 100%
rename from old
rename to new
diff --git a/mode b/mode
old mode 100644
new mode 100755
diff --git a/end b/end
new file mode 100644
--- /dev/null
+++ b/end
@@ -0,0 +1 @@
+no end
\\ No newline at end of file
# 1 more files changed, and are not shown: hidden
"""


def test_lines_of_a_patch_are_counted_and_titles_are_told_from_text():
    changes = [
        FileChange(kind="modified", path="a"),
        FileChange(kind="modified", path="bin", old_size=3, new_size=4),
        FileChange(kind="renamed", path="new", old_path="old"),
        FileChange(kind="mode", path="mode"),
        FileChange(kind="added", path="end"),
        FileChange(kind="modified", path="hidden"),
    ]
    counted = {each.change.path: (each.added, each.removed) for each in count_lines(PATCH, changes)}
    assert counted == {
        "a": (1, 1),
        "bin": (None, None),
        "new": (0, 0),
        "mode": (0, 0),
        "end": (1, 0),
        "hidden": (None, None),
    }
    assert "".join(f"{line}\n" for _, line in lines_of(PATCH)) == PATCH
    assert ("removed", "--- title") in lines_of(PATCH)


@pytest.fixture
def changed(project, service, make, write_journal):
    async def main():
        before = await service.capture(str(project), "before")
        (project / "src" / "app.py").write_text("def run():\n    return 2\n")
        (project / "logo.bin").write_bytes(b"\0\1\2\3")
        after = await service.capture(str(project), "after")
        await service.keep(owner(make.run), [before, after])
        await write_journal([make.begun(project), *make.step("fix", before, after), make.ended(before, after)])
        return before, after

    return trio.run(main)


def test_diff_shows_what_a_run_changed(run, changed, make):
    shown = run("diff", "last")
    assert shown.code == 0
    assert "-    return 1\n+    return 2\n" in shown.out
    assert "Binary files differ: 3 bytes -> 4 bytes" in shown.out
    assert "\x1b" not in shown.out
    assert run("diff", f"{make.run[-6:]}/fix").out == shown.out
    assert run("diff", "last", "--exit-code").code == 1
    assert run("diff", "last", "--name-only").out == "logo.bin\nsrc/app.py\n"
    stat = run("diff", "last", "--stat").out
    assert "M src/app.py  +1 -1" in stat
    assert "3 -> 4 bytes" in stat
    assert "2 files changed" in stat


def test_diff_for_programs(run, changed, make, project):
    told = run("diff", "last/fix", "--json").json()
    assert (told["run"], told["step"], told["project"]) == (make.run, "fix", str(project))
    assert (told["before"], told["after"]) == changed
    assert [(each["path"], each["added"], each["removed"]) for each in told["changes"]] == [
        ("logo.bin", None, None),
        ("src/app.py", 1, 1),
    ]
    assert "+    return 2" in told["patch"]


def test_diff_of_what_has_not_ended_is_against_the_files_now(run, project, service, make, write_journal):
    async def main():
        before = await service.capture(str(project), "before")
        await write_journal([make.begun(project), make.step("fix", before, None)[0]], make.run)

    trio.run(main)
    (project / "README").write_text("now\n")
    shown = run("diff", "last/fix")
    assert "+now" in shown.out
    assert "has not ended" in shown.err


def test_diff_is_in_colour_on_a_terminal(monkeypatch):
    import sys

    from aexl_pipelines.cli.changes import paint_patch

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    painted = paint_patch(PATCH)
    assert "\x1b[32m+++ title\x1b[0m" in painted
    assert "\x1b[1m+++ b/end\x1b[0m" in painted
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint_patch(PATCH) == PATCH


def test_diff_says_what_it_cannot_do(run, home, make, write_journal, project):
    assert run("diff", "last").code == 4
    trio.run(write_journal, [make.begun(project), *make.step("say", None, None)])
    done = run("diff", "last")
    assert (done.code, "there is no snapshot" in done.err, "aexl pipeline log" in done.err) == (2, True, True)
    assert run("diff", "last", "--stat", "--json").code == 2


def test_runs_complete_in_the_shell(home, monkeypatch):
    from aexl_pipelines.cli.spans import complete_run

    for name in ("0199a", "0199b", "02"):
        (home / "runs" / name).mkdir(parents=True)
    monkeypatch.setenv("AEXL_HOME", str(home))
    assert complete_run("0199") == ["0199b", "0199a"]
    assert len(complete_run("")) == 3
    assert complete_run("../*") == []
