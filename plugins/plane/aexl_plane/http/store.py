"""A project's repository as a snapshot store over HTTP: the server half of ``aexl snapshot push``.

The routes stand in ``docs/reference/snapshot-http.md``. Only names of the format are
served: what else lies in a repository's folder is the server's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from aexl.api import BlobStore, Host, OffersStores
from aexl.errors import HeadMoved, Invalid, NotFound, Refused, Unavailable
from aexl_plane.files import ProjectFiles
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.records import Caller
from aexl_plane.storage.database import Database, tell

STORE: Final = "/store/{workspace}/{project}"
LARGEST: Final = 32 * 1024 * 1024
"""Bytes of one blob; writers begin another pack after 16 MiB."""

PAGE: Final = 1000
"""Names in one answer to a list."""

_REF: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
_SERVED: Final = re.compile(
    rf"format|packs/[0-9a-f]{{64}}\.pack|(?:heads|tags|pins|probes)/{_REF}|gc/(?:marks|lease)", re.ASCII
)
_RECORD: Final = re.compile(rf"(?:heads|tags|pins)/{_REF}", re.ASCII)
_PLAIN: Final = re.compile(rf"(?:probes|pins)/{_REF}", re.ASCII)
_RANGE: Final = re.compile(r"bytes=([0-9]{1,15})-([0-9]{0,15})", re.ASCII)


class StoreRoutes:
    """The handlers."""

    def __init__(self, host: Host, files: ProjectFiles, database: Database) -> None:
        self._host = host
        self._files = files
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        blob = f"{STORE}/blobs/{{name...}}"
        return (
            Route(method="GET", path=f"{STORE}/blobs", needs="read", answer=self.list),
            Route(method="GET", path=blob, needs="read", answer=self.get),
            Route(method="PUT", path=blob, needs="write", answer=self.put),
            Route(method="DELETE", path=blob, needs="write", answer=self.delete),
        )

    async def _store(self, request: Request) -> BlobStore:
        stores = self._host.stores() if isinstance(self._host, OffersStores) else {}
        if "file" not in stores:
            raise Unavailable("no plugin keeps stores in folders here; enable the plugin snapshots")
        return await stores["file"](await self._files.repositories.url(request.project.id))

    async def list(self, request: Request) -> Reply:
        """Return the names that begin with a prefix, a page at a time."""
        store = await self._store(request)
        prefix, after = request.query.get("prefix", ""), request.query.get("after", "")
        if ".." in prefix or prefix.startswith("/"):
            raise Invalid(f"{prefix[:80]!r} is no prefix of a name")
        names = [name for name in await store.list(prefix) if name > after and _SERVED.fullmatch(name)]
        return json_reply({"names": names[:PAGE], "next": names[PAGE - 1] if len(names) > PAGE else None})

    async def get(self, request: Request) -> Reply:
        """Return a blob, or a range of it."""
        name = _name(request)
        store = await self._store(request)
        wanted = _RANGE.fullmatch(request.headers.get("range", ""))
        if wanted is None:
            data, version = await store.get_versioned(name)
            return Reply(200, data, (*_BINARY, (b"etag", _tag(version))))
        start, end = int(wanted[1]), int(wanted[2]) if wanted[2] else None
        if end is not None and end < start:
            raise Invalid(f"the range {wanted[0]} ends before it begins")
        if end is None or end - start >= LARGEST:
            end = start + LARGEST - 1
        data = await store.get(name, start=start, length=end - start + 1)
        if not data:
            return Reply(416, b"", _BINARY)
        return Reply(206, data, (*_BINARY, (b"content-range", f"bytes {start}-{start + len(data) - 1}/*".encode())))

    async def put(self, request: Request) -> Reply:
        """Write a blob that is not there, or replace the version that the client has read."""
        name = _name(request)
        condition = request.headers.get("if-match")
        if condition is None and request.headers.get("if-none-match") != "*":
            raise Refused(
                "say what must be there: 'If-None-Match: *', or 'If-Match' with the version that you have read",
                code="precondition_required",
                status=428,
            )
        data = await request.read(LARGEST)
        _check_content(request, name, data)
        store = await self._store(request)
        if _RECORD.fullmatch(name) is not None:
            await self._files.repositories.check_record(request.project.id, name, data)
        version = None if condition is None else condition.strip().strip('"')
        try:
            made = await store.put_if_match(name, data, version=version)
        except HeadMoved as error:
            raise Refused(str(error), code="precondition_failed", status=412) from error
        await self._note(request.caller, request.project.id, name)
        return Reply(201 if version is None else 200, b"", ((b"etag", _tag(made)),))

    async def delete(self, request: Request) -> Reply:
        """Remove a blob. What others' snapshots may need is removed by who may manage the tenant only."""
        name = _name(request)
        if _PLAIN.fullmatch(name) is None and not request.caller.may("admin"):
            raise Refused(
                f"removing {name[:120]} needs a token that may admin: history would be gone for everybody",
                code="scope_missing",
                status=403,
            )
        await (await self._store(request)).delete(name)
        await self._note(request.caller, request.project.id, name)
        return Reply(204)

    async def _note(self, caller: Caller, project: str, name: str) -> None:
        """Let the ledger hear of heads and tags that have moved."""
        kind, _, word = name.partition("/")
        if kind not in ("heads", "tags"):
            return
        now = (await self._files.repositories.heads(project)).get(word, "") if kind == "heads" else ""
        data = {kind[:-1]: word, "to": now, "by": caller.who}
        await self._database.write(lambda db: tell(db, "pushed", project, data))


_BINARY: Final = ((b"content-type", b"application/octet-stream"), (b"cache-control", b"no-store"))


def _name(request: Request) -> str:
    name = request.parts["name"]
    if _SERVED.fullmatch(name) is None:
        raise NotFound(f"there is nothing that is called {name[:120]!r} in a store")
    return name


def _check_content(request: Request, name: str, data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if request.headers.get("x-aexl-content-sha256") != digest:
        raise Refused(
            "the body does not have the hash of x-aexl-content-sha256; send it again", code="hash_mismatch", status=400
        )
    if name.startswith("packs/") and name != f"packs/{digest}.pack":
        raise Refused(
            f"the pack's bytes have the hash {digest}, which is not its name", code="hash_mismatch", status=400
        )


def _tag(version: str) -> bytes:
    return f'"{version}"'.encode()
