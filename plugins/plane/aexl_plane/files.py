"""Projects' files: the head of each project's repository, seen file by file.

The head is the truth. What is known of files beside it, their versions above all,
follows it: whoever looks first after a head has moved, by a commit of ours or by a
push into the repository, brings the rows up to date. So a crash between the two
loses nothing, and two servers' clients see the same versions.
"""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import apsw
import trio

from aexl.api import FileEdit, Host, ObjectId, Repositories
from aexl.errors import HeadMoved, NotFound, Refused, Unavailable
from aexl_plane.records import Caller, FileRow, Upload
from aexl_plane.storage import files as rows
from aexl_plane.storage.database import Database, tell
from aexl_plane.uploads import UploadFolder

HEAD: Final = "main"
"""The head that clients see."""

_ATTEMPTS: Final = 20
_TYPES: Final = {
    ".py": "text/x-python",
    ".json": "application/json",
    ".yaml": "text/yaml",
    ".yml": "text/yaml",
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}


class Changed(NamedTuple):
    """What a change of one file made: the file's version then, and the snapshot."""

    version: int
    snapshot: str


class ProjectFiles:
    """The files of all projects.

    Args:
        uploads: Where contents wait until they are committed.
    """

    def __init__(self, host: Host, database: Database, uploads: UploadFolder) -> None:
        self._host = host
        self._database = database
        self._uploads = uploads
        self._locks: WeakValueDictionary[str, trio.Lock] = WeakValueDictionary()

    @property
    def repositories(self) -> Repositories:
        """Who keeps the snapshots.

        Raises:
            Unavailable: If nobody does.
        """
        found = self._host.service(Repositories)
        if found is None:
            raise Unavailable("no plugin keeps repositories here, so there are no files; enable the plugin snapshots")
        return found

    def _alone(self, project: str) -> AbstractAsyncContextManager[object]:
        lock = self._locks.get(project)
        if lock is None:
            self._locks[project] = lock = trio.Lock()
        return lock

    async def head(self, project: str) -> ObjectId | None:
        """Return the snapshot that is the project's present state."""
        return (await self.repositories.heads(project)).get(HEAD)

    async def find_snapshot(self, project: str, name: str | None) -> ObjectId:
        """Return the snapshot that is meant: an id, which may be nobody's, or the name of a head.

        Args:
            name: The project's present state if left out.

        Raises:
            NotFound: If it is neither, or the project has nothing yet.
        """
        head = (await self.repositories.heads(project)).get(HEAD if name is None else name)
        if head is not None:
            return head
        if name is None:
            raise NotFound("the project has no files yet; 'aexl snapshot push' sends some")
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise NotFound(f"there is no snapshot {name[:80]!r} in this project")
        return ObjectId(name)

    async def list(self, project: str) -> tuple[ObjectId | None, Sequence[FileRow]]:
        """Return the present snapshot and its files, by path."""
        async with self._alone(project):
            head = await self._follow(project, {})
            return head, await self._database.read(lambda db: rows.list_files(db, project))

    async def find(self, project: str, path: str) -> FileRow:
        """Return one file.

        Raises:
            NotFound: If there is none.
        """
        async with self._alone(project):
            await self._follow(project, {})
            found = await self._database.read(lambda db: rows.find_file(db, project, path))
        if found is None:
            raise NotFound(f"there is no file {path[:300]}")
        return found

    async def check_version(self, project: str, path: str, expected: int) -> None:
        """Hold a client to the version that it has seen; 0 for a file that must not be there.

        Raises:
            Refused: 409 if the file has another one by now.
        """
        async with self._alone(project):
            await self._check_version(project, path, expected)

    async def _check_version(
        self, project: str, path: str, expected: int, sha256: str | None = None
    ) -> ObjectId | None:
        """Return the head. A file that has just become what the client wants, by an answer that was lost, is no conflict."""
        head = await self._follow(project, {})
        found = await self._database.read(lambda db: rows.find_file(db, project, path))
        version = found.version if found else 0
        landed = found is not None and found.sha256 == sha256 and version == expected + 1
        if version != expected and not landed:
            raise Refused(
                f"{path[:300]} is at version {version} by now, not at {expected}; pull, look, and send it again",
                code="version_conflict",
                status=409,
            )
        return head

    async def commit(self, caller: Caller, upload: Upload) -> Changed:
        """Put an uploaded file into the project; durable when this returns. Doing it again has the same answer.

        Raises:
            Refused: 409 if the file has changed since the upload was signed, or was not sent.
        """
        if upload.version is not None:
            return Changed(upload.version, str(upload.snapshot))
        async with self._alone(upload.project):
            source = await self._uploads.find(upload)
            edit = FileEdit(path=upload.path, source=str(source), id=ObjectId(upload.sha256))
            for _ in range(_ATTEMPTS):
                head = await self._check_version(upload.project, upload.path, upload.expected, upload.sha256)
                try:
                    made = await self._make(upload.project, head, head, [edit], caller, f"Put {upload.path}")
                except HeadMoved:
                    continue  # somebody has pushed: what they changed is looked at again
                changed = await self._settle(upload, made, caller)
                await self._uploads.remove(upload.id)
                return changed
        raise _restless(upload.project)

    async def _settle(self, upload: Upload, made: ObjectId, caller: Caller) -> Changed:
        await self._follow(upload.project, {upload.path: upload.content_type})
        data = {"path": upload.path[:1000], "to": made, "by": caller.who}

        def finish(db: apsw.Connection) -> Changed:
            row = rows.find_file(db, upload.project, upload.path)
            version = row.version if row else upload.expected + 1
            rows.finish_upload(db, upload.id, version, made)
            tell(db, "file_committed", upload.project, {**data, "version": version})
            return Changed(version, made)

        return await self._database.write(finish)

    async def delete(self, caller: Caller, project: str, path: str, expected: int | None) -> Changed:
        """Take a file out of the project; durable when this returns.

        Args:
            expected: The version that it must have; ``None`` takes whichever is there.

        Raises:
            NotFound: If there is no such file.
            Refused: 409 if it has another version.
        """
        edit = FileEdit(path=path, source=None)
        async with self._alone(project):
            for _ in range(_ATTEMPTS):
                head = await self._follow(project, {})
                found = await self._database.read(lambda db: rows.find_file(db, project, path))
                if found is None:
                    raise NotFound(f"there is no file {path[:300]}")
                if expected is not None:
                    head = await self._check_version(project, path, expected)
                try:
                    made = await self._make(project, head, head, [edit], caller, f"Delete {path}")
                except HeadMoved:
                    continue
                await self._follow(project, {})
                await self._tell("file_deleted", project, {"path": path[:1000], "to": made, "by": caller.who})
                return Changed(found.version, made)
        raise _restless(project)

    async def restore(self, caller: Caller, project: str, snapshot: ObjectId) -> ObjectId:
        """Make the project's files those of an earlier snapshot, as a new one that follows the present one.

        Raises:
            NotFound: If the project has no such snapshot.
        """
        async with self._alone(project):
            for _ in range(_ATTEMPTS):
                head = await self.head(project)
                try:
                    made = await self._make(project, head, snapshot, [], caller, f"Restore {snapshot[:16]}")
                except HeadMoved:
                    continue
                await self._follow(project, {})
                await self._tell("restored", project, {"from": snapshot, "to": made, "by": caller.who})
                return made
        raise _restless(project)

    async def _make(
        self,
        project: str,
        head: ObjectId | None,
        start: ObjectId | None,
        edits: Sequence[FileEdit],
        caller: Caller,
        message: str,
    ) -> ObjectId:
        return await self.repositories.commit(project, HEAD, head, start, edits, caller.who, message)

    async def _follow(self, project: str, content_types: Mapping[str, str]) -> ObjectId | None:
        """Bring the rows up to date with the head, and return it."""
        head = await self.head(project)
        known = await self._database.read(lambda db: rows.known_head(db, project))
        if head is None or head == known:
            return head
        now = await self.repositories.files(project, head)
        await self._database.write(lambda db: rows.follow_head(db, project, head, now, content_types, guess_type))
        return head

    async def _tell(self, event: str, project: str, data: Mapping[str, str | int]) -> None:
        await self._database.write(lambda db: tell(db, event, project, data))

    async def drop_stale(self) -> None:
        """Forget uploads whose time ran out an hour ago, and remove what was sent of them."""
        before = time.time() - 3600
        for id in await self._database.write(lambda db: rows.drop_uploads(db, before)):
            await self._uploads.remove(id)


def guess_type(path: str) -> str:
    """Return what a file is sent as, by its name, where no client has said it."""
    suffix = f".{path.rpartition('.')[2]}" if "." in path else ""
    return _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"


def _restless(project: str) -> Unavailable:
    return Unavailable(f"the head of {project} moves all the time; try again")
