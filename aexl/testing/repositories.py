"""Repositories in memory, for tests of who needs the role ``Repositories``, and the promises that everyone who plays it keeps."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest
import trio

from aexl.api import FileChange, FileEdit, ObjectId, Repositories, RepositoryFile, RepositorySnapshot
from aexl.errors import HeadMoved, Invalid, NotFound

_Files = Mapping[str, bytes]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_REFUSED = frozenset({"", ".", "..", ".git", ".aexl"})


class _Repository:
    def __init__(self) -> None:
        self.heads: dict[str, ObjectId] = {}
        self.snapshots: dict[ObjectId, tuple[RepositorySnapshot, _Files]] = {}
        self.kept: set[ObjectId] = set()


class FakeRepositories:
    """The role ``Repositories`` without a disk: contents are kept in memory, nothing is ever executable.

    There is no store behind ``url``, and ``check_record`` takes everything.

    Attributes:
        repositories: By name, what has been put into them.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, _Repository] = {}

    def _open(self, name: str) -> _Repository:
        if _NAME.fullmatch(name) is None:
            raise Invalid(f"{name[:120]!r} is no repository's name")
        return self.repositories.setdefault(name, _Repository())

    def _find(self, repository: str, snapshot: ObjectId) -> tuple[RepositorySnapshot, _Files]:
        found = self._open(repository).snapshots.get(snapshot)
        if found is None:
            raise NotFound(f"there is no snapshot {snapshot[:80]} in {repository}")
        return found

    async def url(self, repository: str) -> str:
        self._open(repository)
        return f"file:///nowhere/{repository}"

    async def heads(self, repository: str) -> Mapping[str, ObjectId]:
        return dict(self._open(repository).heads)

    async def check_path(self, path: str) -> None:
        if "\\" in path or _REFUSED & set(path.split("/")):
            raise Invalid(f"{path[:300]} cannot be kept")

    async def check_record(self, repository: str, name: str, data: bytes) -> None:  # noqa: ARG002 - nothing to look into
        self._open(repository)

    async def commit(
        self,
        repository: str,
        head: str,
        expected: ObjectId | None,
        start: ObjectId | None,
        edits: Sequence[FileEdit],
        author: str,
        message: str,
    ) -> ObjectId:
        opened = self._open(repository)
        if opened.heads.get(head) != expected:
            raise HeadMoved(f"{head} of {repository} is no longer at {expected or 'nothing'}")
        files = dict(self._find(repository, start)[1]) if start is not None else {}
        for edit in edits:
            await self._apply(edit, files)
        if expected is not None and files == self._find(repository, expected)[1]:
            return expected
        parents = () if expected is None else (expected,)
        number = len(opened.snapshots)
        made = _hash(repr((number, parents, author, message, sorted(files.items()))).encode())
        record = RepositorySnapshot(
            id=made, parents=parents, author=author, message=message, time=1000.0 + number, metadata={}
        )
        opened.snapshots[made] = record, files
        opened.heads[head] = made
        return made

    async def _apply(self, edit: FileEdit, files: dict[str, bytes]) -> None:
        await self.check_path(edit.path)
        if edit.source is None:
            if files.pop(edit.path, None) is None:
                raise NotFound(f"there is no file {edit.path}")
            return
        data = Path(edit.source).read_bytes()
        if edit.id is not None and edit.id != _hash(data):
            raise Invalid(f"the content of {edit.path} has the hash {_hash(data)}, not {edit.id}")
        files[edit.path] = data

    async def keep(self, repository: str, snapshot: ObjectId) -> None:
        self._find(repository, snapshot)
        self._open(repository).kept.add(snapshot)

    async def files(self, repository: str, snapshot: ObjectId) -> Sequence[RepositoryFile]:
        _, files = self._find(repository, snapshot)
        return [
            RepositoryFile(path=path, executable=False, size=len(data), id=_hash(data))
            for path, data in sorted(files.items())
        ]

    async def log(self, repository: str, snapshot: ObjectId, limit: int) -> Sequence[RepositorySnapshot]:
        found: list[RepositorySnapshot] = []
        waiting = [snapshot]
        while waiting and len(found) < limit:
            record, _ = self._find(repository, waiting.pop(0))
            found.append(record)
            waiting += record.parents
        return found

    async def diff(self, repository: str, old: ObjectId | None, new: ObjectId) -> Sequence[FileChange]:
        before = {} if old is None else self._find(repository, old)[1]
        after = self._find(repository, new)[1]
        return [
            FileChange(path=path, kind=_kind(before, after, path))
            for path in sorted({*before, *after})
            if before.get(path) != after.get(path)
        ]

    async def extract(self, repository: str, snapshot: ObjectId, path: str) -> None:
        _, files = self._find(repository, snapshot)
        for name, data in files.items():
            (Path(path) / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(path) / name).write_bytes(data)

    async def read(self, repository: str, id: ObjectId, most: int) -> bytes:
        for _, files in self._open(repository).snapshots.values():
            for data in files.values():
                if _hash(data) == id:
                    if len(data) > most:
                        raise Invalid(f"{id} has {len(data)} bytes; at most {most} are read")
                    return data
        raise NotFound(f"there is no content {id}")


def _hash(data: bytes) -> ObjectId:
    return ObjectId(hashlib.sha256(data).hexdigest())


def _kind(before: _Files, after: _Files, path: str) -> Literal["added", "removed", "modified"]:
    return "added" if path not in before else "removed" if path not in after else "modified"


Put = Callable[..., FileEdit]
"""Makes an edit of a path and a content."""

NOWHERE = ObjectId("0" * 64)


class RepositoriesConformance:
    """Derive a class named ``Test…`` and give it a fixture ``repositories`` that returns who plays the role."""

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        """Makes edits."""

        def make(path: str, data: bytes, id: ObjectId | None = None) -> FileEdit:
            source = tmp_path / f"content-{_hash(data)}"
            source.write_bytes(data)
            return FileEdit(path=path, source=str(source), id=id)

        return make

    async def test_a_repository_that_nothing_was_put_into_is_empty(self, repositories: Repositories) -> None:
        assert await repositories.heads("p") == {}

    async def test_a_commit_moves_the_head_and_follows_it(self, repositories: Repositories, put: Put) -> None:
        first = await _commit(repositories, None, put("a", b"1"), put("d/b", b""))
        second = await _commit(repositories, first, put("a", b"22"), FileEdit(path="d/b", source=None))
        assert await repositories.heads("p") == {"main": second}
        [file] = await repositories.files("p", second)
        assert (file.path, file.size, file.id, file.executable) == ("a", 2, _hash(b"22"), False)
        assert [each.path for each in await repositories.files("p", first)] == ["a", "d/b"]
        log = await repositories.log("p", second, 10)
        assert [(each.id, each.parents, each.author, each.message) for each in log] == [
            (second, (first,), "ann", "why"),
            (first, (), "ann", "why"),
        ]
        assert [each.id for each in await repositories.log("p", second, 1)] == [second]

    async def test_a_commit_from_elsewhere_than_the_head_changes_nothing(
        self, repositories: Repositories, put: Put
    ) -> None:
        first = await _commit(repositories, None, put("a", b"1"))
        second = await _commit(repositories, first, put("a", b"2"))
        for expected in (None, first):
            with pytest.raises(HeadMoved):
                await _commit(repositories, expected, put("a", b"3"))
        assert await repositories.heads("p") == {"main": second}

    async def test_of_many_commits_at_once_one_wins(self, repositories: Repositories, put: Put) -> None:
        first = await _commit(repositories, None, put("a", b"1"))
        made: list[ObjectId] = []

        async def commit(number: int) -> None:
            with contextlib.suppress(HeadMoved):
                made.append(await _commit(repositories, first, put("a", str(number).encode())))

        async with trio.open_nursery() as nursery:
            for number in range(10, 14):
                nursery.start_soon(commit, number)
        assert await repositories.heads("p") == {"main": made[0]}
        assert len(made) == 1

    async def test_what_changes_nothing_makes_nothing(self, repositories: Repositories, put: Put) -> None:
        first = await _commit(repositories, None, put("a", b"1"))
        assert await _commit(repositories, first, put("a", b"1")) == first

    async def test_an_earlier_state_can_be_made_again(self, repositories: Repositories, put: Put) -> None:
        first = await _commit(repositories, None, put("a", b"1"))
        second = await _commit(repositories, first, put("a", b"2"))
        third = await repositories.commit("p", "main", second, first, [], "ann", "back")
        assert await repositories.files("p", third) == await repositories.files("p", first)
        assert third not in (first, second)

    async def test_what_cannot_be_put_in_changes_nothing(self, repositories: Repositories, put: Put) -> None:
        first = await _commit(repositories, None, put("a", b"1"))
        refused = ((Invalid, put("b", b"2", NOWHERE)), (NotFound, FileEdit(path="gone", source=None)))
        for error, edit in refused:
            with pytest.raises(error):
                await _commit(repositories, first, edit)
        assert await repositories.heads("p") == {"main": first}
        for path in ("../a", "/a", "a//b", ".git/config", "a\\b", ""):
            with pytest.raises(Invalid):
                await repositories.check_path(path)
        await repositories.check_path("src/a b/é.txt")

    async def test_contents_are_read_up_to_a_size(self, repositories: Repositories, put: Put) -> None:
        await _commit(repositories, None, put("a", b"123"))
        assert await repositories.read("p", _hash(b"123"), 3) == b"123"
        with pytest.raises(Invalid):
            await repositories.read("p", _hash(b"123"), 2)
        with pytest.raises(NotFound):
            await repositories.read("p", NOWHERE, 3)

    async def test_what_differs_is_told_by_path(self, repositories: Repositories, put: Put) -> None:
        first = await _commit(repositories, None, put("a", b"1"), put("b", b"1"))
        second = await _commit(repositories, first, put("a", b"2"), FileEdit(path="b", source=None), put("c", b""))
        changes = [(each.kind, each.path) for each in await repositories.diff("p", first, second)]
        assert changes == [("modified", "a"), ("removed", "b"), ("added", "c")]
        assert [each.kind for each in await repositories.diff("p", None, first)] == ["added", "added"]

    async def test_a_snapshot_is_written_into_a_folder(
        self, repositories: Repositories, put: Put, tmp_path: Path
    ) -> None:
        first = await _commit(repositories, None, put("a", b"1"), put("d/b", b"2"))
        await repositories.extract("p", first, str(tmp_path / "out"))
        assert (tmp_path / "out" / "a").read_bytes() == b"1"
        assert (tmp_path / "out" / "d" / "b").read_bytes() == b"2"

    async def test_keeping_a_snapshot_changes_no_head_and_can_be_done_again(
        self, repositories: Repositories, put: Put
    ) -> None:
        first = await _commit(repositories, None, put("a", b"1"))
        for _ in range(2):
            await repositories.keep("p", first)
        assert await repositories.heads("p") == {"main": first}

    async def test_what_is_not_there_is_not_found(self, repositories: Repositories, put: Put, tmp_path: Path) -> None:
        first = await _commit(repositories, None, put("a", b"1"))
        asked = (
            lambda: repositories.files("p", NOWHERE),
            lambda: repositories.log("p", NOWHERE, 1),
            lambda: repositories.diff("p", first, NOWHERE),
            lambda: repositories.keep("p", NOWHERE),
            lambda: repositories.files("q", first),
            lambda: repositories.extract("p", NOWHERE, str(tmp_path / "out")),
        )
        for ask in asked:
            with pytest.raises(NotFound):
                await ask()

    @pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 101, "a\n"])
    async def test_what_is_no_name_is_refused(self, repositories: Repositories, name: str) -> None:
        for ask in (repositories.heads, repositories.url):
            with pytest.raises(Invalid):
                await ask(name)


async def _commit(repositories: Repositories, expected: ObjectId | None, *edits: FileEdit) -> ObjectId:
    return await repositories.commit("p", "main", expected, expected, edits, "ann", "why")
