"""Snapshots in memory, for tests of who needs the role ``Snapshots``, and the promises that everyone who plays it keeps."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest

from aexl.api import FileChange, MergeConflict, MergedSnapshot, ObjectId, Snapshots
from aexl.errors import Conflict, Invalid, NotFound

_Files = Mapping[str, tuple[bytes, bool]]
"""Contents by path, each with whether it is executable."""

_OUTSIDE = frozenset({".git", ".aexl"})


class FakeSnapshots:
    """The role ``Snapshots`` without a store: contents are kept in memory, ignore files are not read.

    A merge takes whole files: where both sides changed one, it conflicts, and ``ours`` is kept.

    Attributes:
        captured: Folder and message of each capture.
        kept: What each name keeps. Nothing is ever lost here, kept or not.
        projects: Which snapshots a project keeps itself, by its folder; a test says so.
    """

    def __init__(self) -> None:
        self._snapshots: dict[ObjectId, _Files] = {}
        self._last: dict[str, ObjectId] = {}
        self.captured: list[tuple[str, str]] = []
        self.kept: dict[str, set[ObjectId]] = {}
        self.projects: dict[str, set[ObjectId]] = {}

    async def capture(self, path: str, message: str) -> ObjectId:
        files = _read(path)
        self.captured.append((path, message))
        made = self._store(files)
        self._last[os.path.realpath(path)] = made
        return made

    def _store(self, files: _Files) -> ObjectId:
        digest = hashlib.sha256(repr(sorted(files.items())).encode())
        made = ObjectId(digest.hexdigest())
        self._snapshots[made] = files
        return made

    def _files(self, snapshot: ObjectId) -> _Files:
        if snapshot not in self._snapshots:
            raise NotFound(f"there is no snapshot {snapshot}")
        return self._snapshots[snapshot]

    async def diff(self, old: ObjectId, new: ObjectId) -> Sequence[FileChange]:
        return _compare(self._files(old), self._files(new))

    async def materialize(self, snapshot: ObjectId, path: str, force: bool) -> None:
        target, root = self._files(snapshot), Path(path)
        root.mkdir(parents=True, exist_ok=True)
        now, last = _read(path), self._files(self._last[key]) if (key := os.path.realpath(path)) in self._last else {}
        lost = [name for name in now if now[name] not in (last.get(name), target.get(name))]
        if lost and not force:
            raise Conflict(f"this would be lost: {', '.join(sorted(lost))}")
        for name in now.keys() - target.keys():
            (root / name).unlink()
        for name, (data, executable) in target.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
            (root / name).chmod(0o755 if executable else 0o644)
        self._last[key] = snapshot

    async def extract(self, project: str, snapshot: ObjectId, path: str) -> None:
        if snapshot not in self.projects.get(os.path.realpath(project), ()):
            raise NotFound(f"{project} keeps no snapshot {snapshot}")
        for name, (data, executable) in self._files(snapshot).items():
            (Path(path) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(path) / name).write_bytes(data)
            (Path(path) / name).chmod(0o755 if executable else 0o644)

    async def changed_since(self, snapshot: ObjectId, path: str) -> Sequence[FileChange]:
        return _compare(self._files(snapshot), _read(path))

    async def merge(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        before, mine, other = self._files(base), self._files(ours), self._files(theirs)
        merged: dict[str, tuple[bytes, bool]] = {}
        conflicts = []
        for name in sorted({*before, *mine, *other}):
            sides = before.get(name), mine.get(name), other.get(name)
            taken = sides[2] if sides[1] == sides[0] else sides[1]
            if taken is not None:
                merged[name] = taken
            if sides[0] != sides[1] != sides[2] != sides[0]:
                conflicts.append(MergeConflict(path=name, reason="both sides changed it; ours was kept"))
        return MergedSnapshot(snapshot=self._store(merged), conflicts=tuple(conflicts))

    async def patch(self, old: ObjectId, new: ObjectId, most: int) -> str:
        before, after = self._files(old), self._files(new)
        parts = [
            "".join(_patch(name, before.get(name), after.get(name)))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
        shown = [part for at, part in enumerate(parts) if sum(map(len, parts[: at + 1])) <= most]
        left = len(parts) - len(shown)
        return "".join(shown) + (f"# {left} more files changed, and are not shown\n" if left else "")

    async def read(self, snapshot: ObjectId, path: str, most: int) -> bytes | None:
        found = self._files(snapshot).get(path)
        if found is not None and len(found[0]) > most:
            raise Invalid(f"{path} has {len(found[0])} bytes; at most {most} are read")
        return None if found is None else found[0]

    async def keep(self, name: str, snapshots: Sequence[ObjectId]) -> None:
        for each in snapshots:
            self._files(each)
        self.kept.setdefault(_check_name(name), set()).update(snapshots)

    async def owners(self) -> Sequence[str]:
        return sorted(self.kept)

    async def release(self, names: Sequence[str]) -> None:
        for name in names:
            self.kept.pop(_check_name(name), None)

    async def forget(self, path: str) -> None:
        self._last.pop(os.path.realpath(path), None)


def _check_name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", name, re.ASCII) is None:
        raise Invalid(f"{name!r} cannot keep snapshots")
    return name


def _patch(name: str, old: tuple[bytes, bool] | None, new: tuple[bytes, bool] | None) -> Iterator[str]:
    yield f"diff --git a/{name} b/{name}\n"
    if old is None:
        yield "new file mode 100644\n"
    if new is None:
        yield "deleted file mode 100644\n"
    texts = ["" if each is None else each[0].decode("utf-8", "replace") for each in (old, new)]
    if "\0" in "".join(texts):
        sizes = [f"{len(each[0])} bytes" if each else "nothing" for each in (old, new)]
        yield f"Binary files differ: {sizes[0]} -> {sizes[1]}\n"
        return
    before, after = (text.splitlines(keepends=True) for text in texts)
    labels = [f"{side}/{name}" if each else "/dev/null" for side, each in (("a", old), ("b", new))]
    for line in difflib.unified_diff(before, after, labels[0], labels[1]):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _read(path: str) -> _Files:
    root = Path(path)
    if not root.is_dir():
        raise NotFound(f"there is no folder {path}")
    return {
        file.relative_to(root).as_posix(): (file.read_bytes(), os.access(file, os.X_OK))
        for file in sorted(root.rglob("*"))
        if file.is_file() and not file.is_symlink() and not _OUTSIDE & set(file.relative_to(root).parts)
    }


def _compare(old: _Files, new: _Files) -> list[FileChange]:
    gone = {name: value[0] for name, value in old.items() if name not in new}
    changes = []
    for name in sorted(new):
        before, after = old.get(name), new[name]
        moved = next((each for each in gone if before is None and after[0] and gone[each] == after[0]), None)
        if moved is not None:
            size = len(gone.pop(moved))
            changes.append(FileChange(kind="renamed", path=name, old_path=moved, old_size=size, new_size=size))
        elif before is None:
            changes.append(FileChange(kind="added", path=name, new_size=len(after[0])))
        elif before != after:
            kind: Literal["mode", "modified"] = "mode" if before[0] == after[0] else "modified"
            changes.append(FileChange(kind=kind, path=name, old_size=len(before[0]), new_size=len(after[0])))
    changes += [FileChange(kind="removed", path=name, old_size=len(data)) for name, data in gone.items()]
    return sorted(changes, key=lambda change: change.path)


class SnapshotsConformance:
    """Derive a class named ``Test…`` and give it a fixture ``snapshots`` that returns who plays the role."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with three files."""
        folder = tmp_path / "folder"
        (folder / "b").mkdir(parents=True)
        (folder / "a.txt").write_text("1\n2\n3\n4\n5\n")
        (folder / "b" / "c.bin").write_bytes(b"\0\1\2")
        (folder / "run").write_text("#!/bin/sh\n")
        (folder / "run").chmod(0o755)
        return folder

    async def test_a_capture_comes_back_as_it_was(self, snapshots: Snapshots, folder: Path, tmp_path: Path) -> None:
        made = await snapshots.capture(str(folder), "one")
        await snapshots.materialize(made, str(tmp_path / "new" / "place"), False)
        assert _read(str(tmp_path / "new" / "place")) == _read(str(folder))

    async def test_an_unchanged_folder_has_the_same_snapshot(self, snapshots: Snapshots, folder: Path) -> None:
        assert await snapshots.capture(str(folder), "one") == await snapshots.capture(str(folder), "two")

    async def test_a_changed_folder_has_another(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        (folder / "a.txt").write_text("changed")
        assert await snapshots.capture(str(folder), "two") != one

    async def test_every_kind_of_change_is_told(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        (folder / "a.txt").write_text("changed")
        (folder / "b" / "c.bin").rename(folder / "moved.bin")
        (folder / "run").chmod(0o644)
        (folder / "new").write_text("new")
        expected = [
            FileChange(kind="modified", path="a.txt", old_size=10, new_size=7),
            FileChange(kind="renamed", path="moved.bin", old_path="b/c.bin", old_size=3, new_size=3),
            FileChange(kind="added", path="new", new_size=3),
            FileChange(kind="mode", path="run", old_size=10, new_size=10),
        ]
        assert list(await snapshots.changed_since(one, str(folder))) == expected
        two = await snapshots.capture(str(folder), "two")
        assert list(await snapshots.diff(one, two)) == expected
        assert list(await snapshots.changed_since(two, str(folder))) == []
        (folder / "new").unlink()
        assert list(await snapshots.changed_since(two, str(folder))) == [
            FileChange(kind="removed", path="new", old_size=3)
        ]

    async def test_a_step_can_be_undone(self, snapshots: Snapshots, folder: Path) -> None:
        before = _read(str(folder))
        one = await snapshots.capture(str(folder), "before the step")
        (folder / "a.txt").unlink()
        (folder / "b" / "c.bin").write_text("other")
        (folder / "new").write_text("new")
        await snapshots.capture(str(folder), "after the step")
        await snapshots.materialize(one, str(folder), False)
        assert _read(str(folder)) == before

    async def test_work_that_was_not_captured_is_not_lost(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        (folder / "a.txt").write_text("work")
        (folder / "new").write_text("work")
        before = _read(str(folder))
        with pytest.raises(Conflict, match=r"a\.txt"):
            await snapshots.materialize(one, str(folder), False)
        assert _read(str(folder)) == before
        await snapshots.materialize(one, str(folder), True)
        assert list(await snapshots.changed_since(one, str(folder))) == []

    async def test_control_folders_are_outside(self, snapshots: Snapshots, folder: Path, tmp_path: Path) -> None:
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").write_text("ref")
        one = await snapshots.capture(str(folder), "one")
        await snapshots.materialize(one, str(folder), True)
        assert (folder / ".git" / "HEAD").read_text() == "ref"
        await snapshots.materialize(one, str(tmp_path / "other"), False)
        assert not (tmp_path / "other" / ".git").exists()

    async def test_a_merge_takes_what_each_side_changed(
        self, snapshots: Snapshots, folder: Path, tmp_path: Path
    ) -> None:
        base = await snapshots.capture(str(folder), "base")
        (folder / "a.txt").write_text("ours")
        (folder / "run").unlink()
        ours = await snapshots.capture(str(folder), "ours")
        await snapshots.materialize(base, str(folder), False)
        (folder / "b" / "c.bin").write_bytes(b"theirs")
        (folder / "new").write_text("theirs")
        theirs = await snapshots.capture(str(folder), "theirs")
        merged = await snapshots.merge(base, ours, theirs)
        assert merged.conflicts == ()
        await snapshots.materialize(merged.snapshot, str(tmp_path / "merged"), False)
        contents = {name: data for name, (data, _) in _read(str(tmp_path / "merged")).items()}
        assert contents == {"a.txt": b"ours", "b/c.bin": b"theirs", "new": b"theirs"}

    async def test_both_sides_changing_one_file_conflicts(self, snapshots: Snapshots, folder: Path) -> None:
        base = await snapshots.capture(str(folder), "base")
        (folder / "b" / "c.bin").write_bytes(b"\0ours")
        ours = await snapshots.capture(str(folder), "ours")
        (folder / "b" / "c.bin").write_bytes(b"\0theirs")
        theirs = await snapshots.capture(str(folder), "theirs")
        merged = await snapshots.merge(base, ours, theirs)
        assert [conflict.path for conflict in merged.conflicts] == ["b/c.bin"]
        assert list(await snapshots.diff(ours, merged.snapshot)) == []

    async def test_a_patch_shows_texts_and_of_other_files_their_sizes(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        (folder / "a.txt").write_text("1\n2\nthree\n4\n5")
        (folder / "b" / "c.bin").write_bytes(b"\0\1\2\3")
        (folder / "new.txt").write_text("new\n")
        (folder / "run").unlink()
        two = await snapshots.capture(str(folder), "two")
        text = await snapshots.patch(one, two, 10_000)
        assert "--- a/a.txt\n+++ b/a.txt\n@@ -1,5 +1,5 @@\n 1\n 2\n-3\n+three\n 4\n" in text
        assert "+5\n\\ No newline at end of file\n" in text
        assert "Binary files differ: 3 bytes -> 4 bytes" in text
        assert "new file mode 100644\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+new\n" in text
        assert "+++ /dev/null\n@@ -1 +0,0 @@\n-#!/bin/sh\n" in text
        assert await snapshots.patch(one, one, 10_000) == ""

    async def test_a_patch_has_its_bound(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        for name in ("x", "y"):
            (folder / name).write_text("line\n" * 100)
        two = await snapshots.capture(str(folder), "two")
        text = await snapshots.patch(one, two, 1000)
        assert text.count("+line") == 100
        assert "# 1 more files changed, and are not shown" in text

    async def test_one_file_can_be_read(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        (folder / "a.txt").unlink()
        assert await snapshots.read(one, "a.txt", 10) == b"1\n2\n3\n4\n5\n"
        assert await snapshots.read(one, "b/c.bin", 3) == b"\0\1\2"
        assert await snapshots.read(one, "b", 10) is None
        with pytest.raises(Invalid, match="10 bytes"):
            await snapshots.read(one, "a.txt", 9)

    async def test_names_keep_what_they_are_given_until_they_are_released(
        self, snapshots: Snapshots, folder: Path
    ) -> None:
        one = await snapshots.capture(str(folder), "one")
        await snapshots.keep("run.1", [one])
        (folder / "a.txt").write_text("two")
        two = await snapshots.capture(str(folder), "two")
        await snapshots.keep("run.1", [two, one])
        assert await snapshots.read(one, "b/c.bin", 10) == b"\0\1\2"
        await snapshots.release(["run.1", "run.2"])
        with pytest.raises(NotFound):
            await snapshots.keep("run.1", [ObjectId("0" * 64)])
        with pytest.raises(Invalid):
            await snapshots.keep("../run", [one])

    async def test_a_forgotten_folder_can_be_captured_again(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        await snapshots.forget(str(folder))
        await snapshots.forget(str(folder / "nowhere"))
        assert list(await snapshots.changed_since(one, str(folder))) == []
        assert list(await snapshots.diff(one, await snapshots.capture(str(folder), "two"))) == []

    async def test_a_project_that_keeps_no_snapshots_has_none(
        self, snapshots: Snapshots, folder: Path, tmp_path: Path
    ) -> None:
        one = await snapshots.capture(str(folder), "one")
        with pytest.raises(NotFound):
            await snapshots.extract(str(folder), one, str(tmp_path / "out"))
        assert not (tmp_path / "out").exists()

    async def test_what_does_not_exist_is_said_so(self, snapshots: Snapshots, folder: Path, tmp_path: Path) -> None:
        nothing = ObjectId("0" * 64)
        one = await snapshots.capture(str(folder), "one")
        with pytest.raises(NotFound):
            await snapshots.capture(str(tmp_path / "nowhere"), "one")
        with pytest.raises(NotFound):
            await snapshots.diff(one, nothing)
        with pytest.raises(NotFound):
            await snapshots.materialize(nothing, str(folder), False)
        with pytest.raises(NotFound):
            await snapshots.changed_since(nothing, str(folder))
        with pytest.raises(NotFound):
            await snapshots.merge(one, nothing, one)
        assert list(await snapshots.changed_since(one, str(folder))) == []

    async def test_who_keeps_anything_is_told(self, snapshots: Snapshots, folder: Path) -> None:
        one = await snapshots.capture(str(folder), "one")
        assert list(await snapshots.owners()) == []
        await snapshots.keep("run.2", [one])
        await snapshots.keep("run.1", [one])
        assert list(await snapshots.owners()) == ["run.1", "run.2"]
        await snapshots.release(["run.1"])
        assert list(await snapshots.owners()) == ["run.2"]


def _conforms(snapshots: FakeSnapshots) -> Snapshots:
    return snapshots
