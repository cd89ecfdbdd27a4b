"""Branches that write: copies, the union of what they did, and conflicts that a person settles."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl.api import MergeConflict, MergedSnapshot, ObjectId, Snapshots
from aexl.errors import Invalid, Unavailable
from aexl.testing.host import FakeHost
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.execution.ports import NoTrees
from aexl_pipelines.journal.records import Verdict
from aexl_pipelines.trees.copies import remove_copies
from aexl_pipelines.trees.ports import SnapshotTrees, trees_of

NAMES = [f"{folder}{name}" for folder in ("", "a/", "a/b/", "c/") for name in ("x", "y", "run")]
CONTENT = st.one_of(st.binary(max_size=20), st.text("ab\n", max_size=30).map(str.encode))
EDITS = st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), st.tuples(CONTENT, st.booleans())), max_size=6)


def write(folder: Path, edits) -> None:
    for name, edit in edits.items():
        path = folder / name
        if edit is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(edit[0])
            path.chmod(0o755 if edit[1] else 0o644)


def lines(data: bytes) -> set[bytes]:
    return set(data.split(b"\n"))


def state(contents):
    return {name: (data, bool(mode & 0o100)) for name, (data, mode) in contents.items()}


@pytest.fixture
def trees(service, home):
    return SnapshotTrees(service, home / "cache" / "joins")


async def join_all(trees, project, run_folder, branches):
    """Do what the executor does: a copy for each branch, edits in it, then a join; return conflicts by branch."""
    base = await trees.capture(project, "base")
    made = []
    for number, edits in enumerate(branches):
        folder = run_folder / "copies" / f"branch{number}"
        await trees.copy(base, folder)
        write(folder, edits)
        made.append(await trees.capture(folder, f"branch {number}"))
        await trees.discard(folder)
    found = []
    for theirs in made:
        ours = await trees.capture(project, "join")
        merged = await trees.join(base, ours, theirs)
        found.append((merged, ours, theirs))
        if not merged.conflicts:
            await trees.restore(merged.snapshot, project)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=EDITS, edits=EDITS, owners=st.lists(st.integers(0, 3), min_size=len(NAMES), max_size=len(NAMES)))
def test_disjoint_edits_of_branches_become_exactly_their_union(start, edits, owners, trees, contents):
    place = Path(tempfile.mkdtemp())
    project, expected = place / "project", place / "expected"
    owner = dict(zip(NAMES, owners, strict=True))
    branches = [{name: edit for name, edit in edits.items() if owner[name] == each} for each in range(4)]
    try:
        for folder in (project, expected):
            folder.mkdir()
            write(folder, start)
        write(expected, edits)
        found = trio.run(join_all, trees, project, place / "run", branches)
        assert [merged.conflicts for merged, _, _ in found] == [()] * 4
        assert state(contents(project)) == state(contents(expected))
        assert list((place / "run" / "copies").iterdir()) == []
    finally:
        shutil.rmtree(place)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=EDITS, branches=st.lists(EDITS, min_size=2, max_size=3))
def test_edits_of_the_same_files_are_merged_or_reported_and_never_lost(start, branches, trees, service, contents):
    place = Path(tempfile.mkdtemp())
    project = place / "project"
    try:
        project.mkdir()
        write(project, start)
        before = state(contents(project))
        found = trio.run(join_all, trees, project, place / "run", branches)
        for (merged, _, theirs), edits in zip(found, branches, strict=True):
            for name, edit in edits.items():
                kept = trio.run(service.read, theirs, name, 1000)
                assert kept == (None if edit is None else edit[0])
            if not merged.conflicts:
                written = {
                    name: edit[0] for name, edit in edits.items() if edit is not None and before.get(name) != edit
                }
                new = {
                    line for name, data in written.items() for line in lines(data) - lines(before.get(name, (b"",))[0])
                }
                together = [trio.run(service.read, merged.snapshot, name, 1000) or b"" for name in NAMES]
                assert new <= {line for data in together for line in lines(data)}
    finally:
        shutil.rmtree(place)


@pytest.fixture
async def conflict(trees, project, home):
    """Two branches changed the same line of one file, both a binary one, and each a file of its own."""
    branches = [
        {"src/app.py": (b"def run():\n    return 2\n", False), "logo.bin": (b"\0two", False), "two": (b"2", True)},
        {"src/app.py": (b"def run():\n    return 3\n", False), "logo.bin": (b"\0three", False), "README": None},
    ]
    return (await join_all(trees, project, home / "run", branches))[1]


async def test_a_conflict_is_put_as_a_question_that_can_be_answered(trees, conflict):
    question = await trees.question(*conflict)
    assert question.detail["paths"] == ["logo.bin", "src/app.py"]
    assert "src/app.py" in question.text
    assert ".git" in question.text
    assert "=== logo.bin: ours\n" in question.content
    assert "=== src/app.py\ndef run():\n<<<<<<< ours\n    return 2\n=======\n    return 3\n>>>>>>> theirs\n" in (
        question.content
    )


def edit(text):
    return Verdict(choice="edit", text=text)


@pytest.mark.parametrize(
    ("answer", "number", "logo"),
    [
        (Verdict(choice="approve"), b"2", b"\0two"),
        (edit("ours"), b"2", b"\0two"),
        (edit(" theirs\n"), b"3", b"\0three"),
        (edit("src/app.py: theirs\nlogo.bin: ours\n"), b"3", b"\0two"),
        (edit("# so\n=== src/app.py: ours\n=== logo.bin: theirs"), b"2", b"\0three"),
        (edit("=== logo.bin: theirs\n=== src/app.py\ndef run():\n    return 5"), b"5", b"\0three"),
    ],
)
async def test_a_decision_is_written_whole(trees, service, conflict, project, home, answer, number, logo):
    settled = await trees.settle(*conflict, answer)
    await trees.restore(settled, project)
    assert (project / "src/app.py").read_bytes() == b"def run():\n    return %b\n" % number
    assert (project / "logo.bin").read_bytes() == logo
    assert (project / "two").stat().st_mode & 0o100
    assert not (project / "README").exists()
    assert list((home / "cache" / "joins").iterdir()) == []


async def test_an_edited_question_is_an_answer(trees, service, conflict):
    question = await trees.question(*conflict)
    lines = [line for line in question.content.splitlines() if not line.startswith(("<<<<<<<", ">>>>>>>"))]
    text = "\n".join(line for line in lines if line != "=======")
    settled = await trees.settle(*conflict, edit(text))
    assert await service.read(settled, "src/app.py", 100) == b"def run():\n    return 2\n    return 3\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "says nothing of"),
        ("mine", "not understood"),
        ("src/app.py: theirs", "logo.bin"),
        ("src/app.py: theirs\nlogo.bin: ours\nother: ours", "no file in conflict"),
        ("=== logo.bin: ours\n=== src/app.py\n<<<<<<< ours\n", "marker"),
        ("=== logo.bin: ours\n=== src/app.py\na\n=== src/app.py\nb", "twice"),
        ("=== logo.bin: ours\n=== src/app.py: ours\n=== src/app.py\nb", "twice"),
    ],
)
async def test_an_answer_that_leaves_something_open_is_refused(trees, conflict, home, text, said):
    with pytest.raises(Invalid, match=said):
        await trees.settle(*conflict, edit(text))
    with pytest.raises(Invalid):
        await trees.settle(*conflict, Verdict(choice="reject"))
    assert not (home / "cache" / "joins").exists()


async def test_a_choice_that_cannot_stand_beside_the_rest_is_refused_and_leaves_nothing(trees, home, project):
    base = await trees.capture(project, "base")
    (project / "place").write_text("file")
    ours = await trees.capture(project, "ours")
    (project / "place").unlink()
    (project / "place").mkdir()
    (project / "place" / "inner").write_text("folder")
    theirs = await trees.capture(project, "theirs")
    merged = await trees.join(base, ours, theirs)
    assert [each.path for each in merged.conflicts] == ["place/inner"]
    with pytest.raises(Invalid, match="other side"):
        await trees.settle(merged, ours, theirs, edit("theirs"))
    assert list((home / "cache" / "joins").iterdir()) == []


async def test_settling_that_is_cancelled_leaves_nothing(trees, home, conflict):
    for seconds in (0, 0.002, 0.01):
        with trio.move_on_after(seconds):
            await trees.settle(*conflict, edit("theirs"))
    joins = home / "cache" / "joins"
    assert not joins.exists() or list(joins.iterdir()) == []


async def test_nothing_is_merged_where_one_side_changed_nothing():
    trees = SnapshotTrees(FakeSnapshots(), Path("nowhere"))
    one, two = ObjectId("1" * 64), ObjectId("2" * 64)
    assert await trees.join(one, one, two) == MergedSnapshot(snapshot=two, conflicts=())
    assert (
        await trees.join(one, two, one) == await trees.join(one, two, two) == MergedSnapshot(snapshot=two, conflicts=())
    )
    assert await trees.changed(one, one) == ()
    assert await trees.diff_text(one, one) == ""


async def test_copies_that_a_crash_left_are_removed(trees, project, home):
    base = await trees.capture(project, "base")
    run_folder = home / "runs" / "one"
    for name in "abc":
        await trees.copy(base, run_folder / "copies" / name)
    assert await remove_copies(trees, run_folder) == 3
    assert await remove_copies(trees, run_folder) == 0
    assert await remove_copies(trees, home / "runs" / "none") == 0


async def test_captures_of_one_folder_take_turns(trees, project):
    made = []

    async def capture():
        made.append(await trees.capture(project, "x"))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(capture)
    assert len(set(made)) == 1


class Busy(FakeSnapshots):
    """Somebody else holds the index for a while."""

    left = 3

    async def capture(self, path, message):
        if self.left:
            self.left -= 1
            raise Unavailable("another aexl changes what is staged")
        return await super().capture(path, message)


async def test_a_folder_that_another_process_looks_through_is_waited_for(project, autojump_clock):
    snapshots = Busy()
    assert await SnapshotTrees(snapshots, project).capture(project, "x")
    snapshots.left = 10
    with pytest.raises(Unavailable):
        await SnapshotTrees(snapshots, project).capture(project, "x")


async def test_a_diff_for_prompts_has_its_bound(trees, project):
    one = await trees.capture(project, "one")
    for number in range(30):
        (project / f"{number}.txt").write_text("0123456789\n" * 1000)
    (project / "big.bin").write_bytes(b"\0" * 1_000_000)
    two = await trees.capture(project, "two")
    text = await trees.diff_text(one, two)
    assert len(text.encode()) < 210_000
    assert "more files changed, and are not shown" in text


async def test_a_conflict_of_a_large_file_is_a_choice(home):
    snapshots = FakeSnapshots()
    folder = home / "f"
    folder.mkdir()
    (folder / "large").write_text("x" * 70_000)
    (folder / "odd").write_bytes(b"\xff\n")
    made = await snapshots.capture(str(folder), "x")
    conflicts = tuple(MergeConflict(path=path, reason="both") for path in ("gone", "large", "odd"))
    question = await SnapshotTrees(snapshots, home).question(
        MergedSnapshot(snapshot=made, conflicts=conflicts), made, made
    )
    assert question.content.endswith("=== gone: ours\n=== large: ours\n=== odd: ours\n")


def test_without_snapshots_there_are_no_trees(home, host, service):
    assert isinstance(trees_of(FakeHost(data_dir=home)), NoTrees)
    assert trees_of(host).copies
    assert host.service(Snapshots) is service
