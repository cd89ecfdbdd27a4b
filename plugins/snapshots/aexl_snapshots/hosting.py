"""The role ``Repositories``: projects that are kept for others, each in a repository of its own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import trio

from aexl.api import FileChange, FileEdit, ObjectId, RepositoryFile, RepositorySnapshot
from aexl.errors import HeadMoved, Invalid, NotFound
from aexl_snapshots import history
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.names import explain_path, printable
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import Record
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import extract_snapshot
from aexl_snapshots.worktree.committing import Author, signed_snapshot
from aexl_snapshots.worktree.status import as_tree
from aexl_snapshots.worktree.treediff import Tree, compare_trees
from aexl_snapshots.writer import Writer

T = TypeVar("T")

FOLDER: Final = "repositories"
"""Below ``AEXL_HOME``."""

KEPT: Final = "kept."
"""What the names of pins begin with that nobody but this role has set."""

MOST: Final = 1000
"""Snapshots in one answer."""

_OPEN: Final = 64
_BLOCK: Final = 1024 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)


class RepositoryService:
    """See ``aexl.api.Repositories``.

    Args:
        home: ``AEXL_HOME``; repositories are made in it when something is put into them.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._opened: dict[str, Repository] = {}
        self._lock = threading.Lock()

    def _place(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise Invalid(f"{name[:120]!r} is no repository's name: use up to 100 letters, digits, '.', '_' and '-'")
        return self._home / FOLDER / name

    def _open(self, name: str) -> Repository:
        """Open a repository, making it where it is missing; those used last stay open."""
        place = self._place(name)
        with self._lock:
            repository = self._opened.pop(name, None) or Repository.init(place, path=place)
            self._opened[name] = repository
            if len(self._opened) > _OPEN:
                del self._opened[next(iter(self._opened))]
        return repository

    async def _run(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work)

    async def url(self, repository: str) -> str:
        return await self._run(lambda: self._open(repository).path.absolute().as_uri())

    async def heads(self, repository: str) -> Mapping[str, ObjectId]:
        return await self._run(lambda: self._open(repository).heads())

    async def check_path(self, path: str) -> None:
        reason = explain_path(path)
        if reason is not None:
            raise Invalid(f"{printable(path)[:300]} {reason}")

    async def check_record(self, repository: str, name: str, data: bytes) -> None:
        await self._run(lambda: _check_record(self._open(repository), name, data))

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
        work = partial(self._commit, head, expected, start, edits, Author(author, self._home), message)
        return await self._run(lambda: work(self._open(repository)))

    def _commit(
        self,
        head: str,
        expected: ObjectId | None,
        start: ObjectId | None,
        edits: Sequence[FileEdit],
        author: Author,
        message: str,
        repository: Repository,
    ) -> ObjectId:
        with repository.writing():
            if repository.head(head) != expected:
                raise HeadMoved(f"{head} of {repository.path.name} is no longer at {expected or 'nothing'}; look again")
            entries = dict(_tree(repository, start))
            with repository.writer() as writer:
                for edit in edits:
                    _apply(edit, entries, writer)
                manifest = Manifest(entries.values())
                if expected is not None and repository.read_snapshot(expected).manifest == manifest.id:
                    return expected
                writer.put_manifest(manifest)
                parents = (expected,) if expected else ()
                made = writer.put_snapshot(signed_snapshot(manifest.id, parents, message, author))
            repository.move_head(made, expected=expected, name=head)
            return made

    async def keep(self, repository: str, snapshot: ObjectId) -> None:
        await self._run(lambda: self._open(repository).pin(f"{KEPT}{snapshot}", snapshot))

    async def files(self, repository: str, snapshot: ObjectId) -> Sequence[RepositoryFile]:
        return await self._run(lambda: self._files(self._open(repository), snapshot))

    def _files(self, repository: Repository, snapshot: ObjectId) -> Sequence[RepositoryFile]:
        manifest = repository.manifest_of(snapshot)
        return [RepositoryFile(path=e.path, executable=e.mode == "exec", size=e.size, id=e.id) for e in manifest]

    async def log(self, repository: str, snapshot: ObjectId, limit: int) -> Sequence[RepositorySnapshot]:
        most = max(0, min(limit, MOST))
        return await self._run(
            lambda: [_record(id, found) for id, found in islice(self._open(repository).log(snapshot), most)]
        )

    async def diff(self, repository: str, old: ObjectId | None, new: ObjectId) -> Sequence[FileChange]:
        def compare() -> Sequence[FileChange]:
            opened = self._open(repository)
            return compare_trees(_tree(opened, old), _tree(opened, new))

        return await self._run(compare)

    async def extract(self, repository: str, snapshot: ObjectId, path: str) -> None:
        work = partial(extract_snapshot, root=Path(path), meter=Meter(check=trio.from_thread.check_cancelled))
        await self._run(lambda: work(self._open(repository), snapshot))

    async def read(self, repository: str, id: ObjectId, most: int) -> bytes:
        def read() -> bytes:
            opened = self._open(repository)
            if not opened.has(id):
                raise NotFound(f"there is no content {id}")
            return opened.read(id, most)

        return await self._run(read)


def _check_record(repository: Repository, name: str, data: bytes) -> None:
    record = Record.decode(data, name)
    repository.packs.refresh()
    for id, size in record.packs:
        there = repository.packs.packs.get(id)
        if there is None or there.size != size:
            raise Invalid(f"{name} names the pack {id} of {size} bytes, which has not been sent")
    try:
        history.ancestors(repository.read_snapshot, [record.snapshot])
        for entry in repository.manifest_of(record.snapshot):
            if entry.id not in repository.packs:
                raise NotFound(f"the content of {printable(entry.path)}")
    except NotFound as error:
        raise Invalid(
            f"{name} names the snapshot {record.snapshot}, of which something has not been sent: {error}"
        ) from error


def _tree(repository: Repository, snapshot: ObjectId | None) -> Tree:
    return {} if snapshot is None else as_tree(repository.manifest_of(snapshot))


def _apply(edit: FileEdit, entries: dict[str, Entry], writer: Writer) -> None:
    before = entries.pop(edit.path, None)
    if edit.source is None:
        if before is None:
            raise NotFound(f"there is no file {edit.path}")
        return
    id, size = writer.put_stream(_blocks(Path(edit.source)))
    if edit.id is not None and id != edit.id:
        raise Invalid(f"the content of {edit.path} has the hash {id}, not {edit.id}")
    entries[edit.path] = Entry(edit.path, before.mode if before else "file", size, id)


def _blocks(path: Path) -> Iterator[bytes]:
    with disk_errors(path), path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _record(id: ObjectId, snapshot: Snapshot) -> RepositorySnapshot:
    return RepositorySnapshot(
        id=id,
        parents=snapshot.parents,
        author=snapshot.author,
        message=snapshot.message,
        time=snapshot.time / 1000,
        metadata=snapshot.metadata,
    )
