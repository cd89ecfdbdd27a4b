"""Our own routes below ``/api/v1`` for a project's files and history."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import ObjectId
from aexl.errors import NotFound
from aexl_plane.files import HEAD, ProjectFiles
from aexl_plane.http.manage import PROJECT_API
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.http.wire_files import FileRoutes, file_json
from aexl_plane.stamps import stamp


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
            Route(method="GET", path=f"{PROJECT_API}/files", needs="read", answer=self.files),
            Route(method="GET", path=f"{PROJECT_API}/files/{{path...}}", needs="read", answer=self.content),
            Route(method="GET", path=snapshots, needs="read", answer=self.log),
            Route(method="POST", path=f"{one}:restore", needs="write", answer=self.restore),
            Route(method="GET", path=f"{one}/files", needs="read", answer=self.files_of),
            Route(method="GET", path=f"{one}/files/{{path...}}", needs="read", answer=self.content_of),
            Route(method="GET", path=f"{one}/diff", needs="read", answer=self.diff),
        )

    async def files(self, request: Request) -> Reply:
        """Return the present files."""
        head, found = await self._files.list(request.project.id)
        return json_reply({"snapshot": head, "files": [file_json(each) for each in found]})

    async def content(self, request: Request) -> Reply:
        """Return the present content of a file."""
        row = await self._files.find(request.project.id, request.parts["path"])
        return await self._contents.content(request.project.id, row.sha256, row.content_type)

    async def log(self, request: Request) -> Reply:
        """Return the latest snapshots, each before those it was made from."""
        project, limit = request.project.id, request.number("limit", 100, 1000)
        head = await self._files.head(project)
        found = await self._files.repositories.log(project, head, limit) if head else ()
        return json_reply(
            {
                "head": head,
                "snapshots": [
                    {
                        "id": each.id,
                        "parents": each.parents,
                        "author": each.author,
                        "message": each.message,
                        "time": stamp(each.time),
                        "metadata": each.metadata,
                    }
                    for each in found
                ],
            }
        )

    async def restore(self, request: Request) -> Reply:
        """Make the files those of an earlier snapshot again, as a new snapshot."""
        snapshot = await self._snapshot(request, request.parts["snapshot"])
        made = await self._files.restore(request.caller, request.project.id, snapshot)
        return json_reply({"snapshot": made, "restored": snapshot})

    async def files_of(self, request: Request) -> Reply:
        """Return a snapshot's files."""
        snapshot = await self._snapshot(request, request.parts["snapshot"])
        found = await self._files.repositories.files(request.project.id, snapshot)
        listed = [
            {"path": each.path, "sha256": each.id, "size_bytes": each.size, "executable": each.executable}
            for each in found
        ]
        return json_reply({"snapshot": snapshot, "files": listed})

    async def content_of(self, request: Request) -> Reply:
        """Return a file of a snapshot."""
        snapshot, path = await self._snapshot(request, request.parts["snapshot"]), request.parts["path"]
        for each in await self._files.repositories.files(request.project.id, snapshot):
            if each.path == path:
                return await self._contents.content(request.project.id, each.id, "application/octet-stream")
        raise NotFound(f"snapshot {snapshot[:16]} has no file {path[:300]}")

    async def diff(self, request: Request) -> Reply:
        """Return what differs between a snapshot and another one (``?to=``), by default the present one."""
        old = await self._snapshot(request, request.parts["snapshot"])
        new = await self._snapshot(request, request.query.get("to", HEAD))
        found = await self._files.repositories.diff(request.project.id, old, new)
        return json_reply({"from": old, "to": new, "changes": found})

    async def _snapshot(self, request: Request, name: str) -> ObjectId:
        """Return the snapshot that is meant: an id, or the name of a head."""
        head = (await self._files.repositories.heads(request.project.id)).get(name)
        if head is not None:
            return head
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise NotFound(f"there is no snapshot {name[:80]!r} in this project")
        return ObjectId(name)
