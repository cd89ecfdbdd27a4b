"""Repositories of snapshots that the host keeps for others: the role, and what it tells.

Where ``Snapshots`` keeps captures of folders, this keeps projects that have no folder
on this machine: a server's copies, changed file by file and pushed to by others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from aexl.api.trees import FileChange
from aexl.api.work import ObjectId


class RepositoryFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a snapshot. ``size`` in bytes; ``id`` is the SHA-256 of its content."""

    path: str
    executable: bool
    size: int
    id: ObjectId


class FileEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A file to put into a snapshot, or to take out.

    Attributes:
        source: The absolute path of a file on the host's machine that has the content; ``None`` takes the file out.
        id: The SHA-256 that the content must have; ``None`` takes it as it is.
    """

    path: str
    source: str | None
    id: ObjectId | None = None


class RepositorySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot without its files; ``time`` in Unix seconds, by its author's clock."""

    id: ObjectId
    parents: tuple[ObjectId, ...]
    author: str
    message: str
    time: float
    metadata: Mapping[str, str]


@runtime_checkable
class Repositories(Protocol):
    """Repositories by name, in ``AEXL_HOME``. A name is up to 100 letters, digits, ``.``, ``_`` and ``-``.

    A repository that nothing has been put into is as good as an empty one. All methods
    raise ``Invalid`` for what is no name, and ``Unavailable`` if the disk fails. Work on
    files runs in threads: a cancelled call returns when what was begun is done.
    """

    async def url(self, repository: str) -> str:
        """Return the ``file:`` URL under which ``Host.stores`` opens it as a store; it is made where it is missing."""
        ...

    async def heads(self, repository: str) -> Mapping[str, ObjectId]:
        """Return where the heads point, by name."""
        ...

    async def check_path(self, path: str) -> None:
        """Hold a path to the rules that need no look at other files.

        Raises:
            Invalid: If no snapshot can hold it; says why.
        """
        ...

    async def check_record(self, repository: str, name: str, data: bytes) -> None:
        """Hold what a client wants a head, tag or pin to be to what has been stored.

        Args:
            name: As in the store: ``heads/main``.
            data: The record.

        Raises:
            Invalid: If it is no record, or names something that is not there, or not whole; says what.
        """
        ...

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
        """Make a snapshot and let a head point to it, in one step; durable when this returns.

        Where its files would be those of ``expected``, nothing is made, and that is returned.

        Args:
            expected: Where the head must point now, and the new snapshot's parent; ``None`` if it must not exist.
            start: The snapshot whose files are edited, any of the repository's; ``None`` for no files.

        Raises:
            HeadMoved: If the head points elsewhere; nothing has changed.
            NotFound: If there is no such snapshot, or no such file to take out.
            Invalid: If a path cannot be kept, or a content has another hash; names it.
        """
        ...

    async def keep(self, repository: str, snapshot: ObjectId) -> None:
        """Keep a snapshot, and all that it was made from, for good, wherever heads point; durable when this returns.

        Raises:
            NotFound: If there is no such snapshot.
        """
        ...

    async def files(self, repository: str, snapshot: ObjectId) -> Sequence[RepositoryFile]:
        """Return a snapshot's files, by path.

        Raises:
            NotFound: If there is no such snapshot.
        """
        ...

    async def log(self, repository: str, snapshot: ObjectId, limit: int) -> Sequence[RepositorySnapshot]:
        """Return a snapshot and those it was made from, each before its parents; ``limit`` is at most 1,000.

        Raises:
            NotFound: If there is no such snapshot.
        """
        ...

    async def diff(self, repository: str, old: ObjectId | None, new: ObjectId) -> Sequence[FileChange]:
        """Return what differs, by path; ``None`` stands for no files.

        Raises:
            NotFound: If there is no such snapshot.
        """
        ...

    async def extract(self, repository: str, snapshot: ObjectId, path: str) -> None:
        """Write a snapshot's files into a new folder.

        Args:
            path: A folder that is not there yet; it is there whole or not at all.

        Raises:
            NotFound: If there is no such snapshot.
            Unavailable: If a file cannot be written, or a stored object is damaged.
        """
        ...

    async def read(self, repository: str, id: ObjectId, most: int) -> bytes:
        """Return the content of a file.

        Args:
            id: As ``RepositoryFile`` has it.
            most: Bytes.

        Raises:
            NotFound: If there is no such content.
            Invalid: If it is larger than ``most``.
        """
        ...
