"""Our own routes below ``/api/v1`` for a project's files and history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aexl.errors import NotFound
from aexl_plane.files import ProjectFiles
from aexl_plane.http.file_shapes import (
    FileList,
    Restored,
    SnapshotDiff,
    SnapshotFile,
    SnapshotFiles,
    SnapshotLog,
    SnapshotShape,
    file_shape,
)
from aexl_plane.http.manage import PROJECT_API
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Parameter, Route
from aexl_plane.http.wire_files import FileRoutes
from aexl_plane.stamps import stamp

LISTED: Final = 1000
"""Snapshots in one answer."""

_LIMIT: Final = Parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": LISTED, "default": 100}, "The most that are listed."
)
_TO: Final = Parameter(
    "to", {"type": "string"}, "The other one: an id, or a head's name; the present one, if left out."
)


class SnapshotRoutes:
    """A project's files and history."""

    def __init__(self, files: ProjectFiles, contents: FileRoutes) -> None:
        self._files = files
        self._contents = contents

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        snapshots = f"{PROJECT_API}/snapshots"
        one = f"{snapshots}/{{snapshot}}"
        return (
            Route(
                method="GET",
                path=f"{PROJECT_API}/files",
                needs="read",
                answer=self.files,
                summary="List a project's present files",
                gives=FileList,
            ),
            Route(
                method="GET",
                path=f"{PROJECT_API}/files/{{path...}}",
                needs="read",
                answer=self.content,
                summary="Fetch a present file",
                kind="*/*",
            ),
            Route(
                method="GET",
                path=snapshots,
                needs="read",
                answer=self.log,
                summary="List the latest snapshots, each before those it was made from",
                gives=SnapshotLog,
                query=(_LIMIT,),
            ),
            Route(
                method="POST",
                path=f"{one}:restore",
                needs="write",
                answer=self.restore,
                summary="Make the files those of an earlier snapshot again, as a new snapshot",
                gives=Restored,
            ),
            Route(
                method="GET",
                path=f"{one}/files",
                needs="read",
                answer=self.files_of,
                summary="List a snapshot's files",
                gives=SnapshotFiles,
            ),
            Route(
                method="GET",
                path=f"{one}/files/{{path...}}",
                needs="read",
                answer=self.content_of,
                summary="Fetch a file of a snapshot",
                kind="application/octet-stream",
            ),
            Route(
                method="GET",
                path=f"{one}/diff",
                needs="read",
                answer=self.diff,
                summary="Show what differs between a snapshot and another one",
                gives=SnapshotDiff,
                query=(_TO,),
            ),
        )

    async def files(self, request: Request) -> Reply:
        """Return the present files."""
        head, found = await self._files.list(request.project.id)
        return json_reply(FileList(snapshot=head, files=[file_shape(each) for each in found]))

    async def content(self, request: Request) -> Reply:
        """Return the present content of a file."""
        row = await self._files.find(request.project.id, request.parts["path"])
        return await self._contents.content(request.project.id, row.sha256, row.content_type)

    async def log(self, request: Request) -> Reply:
        """Return the latest snapshots, each before those it was made from."""
        project, limit = request.project.id, request.number("limit", 100, LISTED)
        head = await self._files.head(project)
        found = await self._files.repositories.log(project, head, limit) if head else ()
        shown = [
            SnapshotShape(
                id=each.id,
                parents=each.parents,
                author=each.author,
                message=each.message,
                time=stamp(each.time),
                metadata=each.metadata,
            )
            for each in found
        ]
        return json_reply(SnapshotLog(head=head, snapshots=shown))

    async def restore(self, request: Request) -> Reply:
        """Make the files those of an earlier snapshot again, as a new snapshot."""
        snapshot = await self._files.find_snapshot(request.project.id, request.parts["snapshot"])
        made = await self._files.restore(request.caller, request.project.id, snapshot)
        return json_reply(Restored(snapshot=made, restored=snapshot))

    async def files_of(self, request: Request) -> Reply:
        """Return a snapshot's files."""
        snapshot = await self._files.find_snapshot(request.project.id, request.parts["snapshot"])
        found = await self._files.repositories.files(request.project.id, snapshot)
        listed = [
            SnapshotFile(path=each.path, sha256=each.id, size_bytes=each.size, executable=each.executable)
            for each in found
        ]
        return json_reply(SnapshotFiles(snapshot=snapshot, files=listed))

    async def content_of(self, request: Request) -> Reply:
        """Return a file of a snapshot."""
        snapshot, path = (
            await self._files.find_snapshot(request.project.id, request.parts["snapshot"]),
            request.parts["path"],
        )
        for each in await self._files.repositories.files(request.project.id, snapshot):
            if each.path == path:
                return await self._contents.content(request.project.id, each.id, "application/octet-stream")
        raise NotFound(f"snapshot {snapshot[:16]} has no file {path[:300]}")

    async def diff(self, request: Request) -> Reply:
        """Return what differs between a snapshot and another one (``?to=``), by default the present one."""
        old = await self._files.find_snapshot(request.project.id, request.parts["snapshot"])
        new = await self._files.find_snapshot(request.project.id, request.query.get("to"))
        found = await self._files.repositories.diff(request.project.id, old, new)
        return json_reply(SnapshotDiff(old=old, new=new, changes=found))
