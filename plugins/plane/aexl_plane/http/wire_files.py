"""Files as today's clients ask for them: sign, send, commit; sign, fetch; list; delete."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Final

import apsw
import msgspec

from aexl.api import ObjectId
from aexl.errors import Invalid, Refused
from aexl_plane.files import ProjectFiles
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.options import PlaneOptions
from aexl_plane.records import FileRow, Upload
from aexl_plane.signing import PREFIX, Grant, read_url, sign_url
from aexl_plane.stamps import stamp
from aexl_plane.storage import files as rows
from aexl_plane.storage.database import Database
from aexl_plane.uploads import UploadFolder

PROJECT: Final = "/v1/workspaces/{workspace}/projects/{project}"
LONGEST_DOWNLOAD: Final = 86_400
"""Seconds that a URL to fetch with may be good for."""

_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TYPE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?", re.ASCII)


class SignUpload(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is about to send."""

    sha256: str
    size_bytes: int
    expected_version: int
    content_type: str = "application/octet-stream"


class SignDownload(msgspec.Struct, frozen=True, kw_only=True):
    """How long the URL shall be good for, in seconds."""

    expires_seconds: int = 600


class CommitUpload(msgspec.Struct, frozen=True, kw_only=True):
    """The version that the file must have; that of the signing, if it is left out."""

    expected_version: int | None = None


class FileRoutes:
    """The handlers.

    Args:
        key: Returns what signs URLs.
    """

    def __init__(
        self,
        files: ProjectFiles,
        database: Database,
        uploads: UploadFolder,
        options: Callable[[], PlaneOptions],
        key: Callable[[], bytes],
    ) -> None:
        self._files = files
        self._database = database
        self._uploads = uploads
        self._options = options
        self._key = key

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return (
            Route(method="GET", path=f"{PROJECT}/files", needs="read", answer=self.list),
            Route(method="POST", path=f"{PROJECT}/uploads:sign", needs="write", answer=self.sign_upload),
            Route(method="POST", path="/v1/uploads/{upload}:commit", needs="write", answer=self.commit),
            Route(method="POST", path=f"{PROJECT}/downloads:sign", needs="read", answer=self.sign_download),
            Route(method="DELETE", path=f"{PROJECT}/files/{{path...}}", needs="write", answer=self.delete),
            Route(method="PUT", path=f"{PREFIX}/{{blob}}/{{sha256}}", needs=None, answer=self.send),
            Route(method="GET", path=f"{PREFIX}/{{blob}}/{{sha256}}", needs=None, answer=self.fetch),
        )

    async def list(self, request: Request) -> Reply:
        """Return every file of a project, with its version."""
        head, found = await self._files.list(request.project.id)
        return json_reply({"files": [file_json(each) for each in found], "snapshot": head})

    async def sign_upload(self, request: Request) -> Reply:
        """Return an upload's id, and the URL to send the content to."""
        wanted, path = await request.json(SignUpload), _path(request)
        self._check(wanted)
        await self._files.repositories.check_path(path)
        await self._files.check_version(request.project.id, path, wanted.expected_version)
        options = self._options()

        def add(connection: apsw.Connection) -> Upload:
            return rows.add_upload(
                connection,
                request.project.id,
                path=path,
                expected=wanted.expected_version,
                sha256=wanted.sha256,
                size=wanted.size_bytes,
                content_type=wanted.content_type,
                seconds=options.upload_seconds,
                most=options.uploads,
            )

        upload = await self._database.write(add)
        grant = Grant(
            method="PUT",
            blob=upload.id,
            sha256=upload.sha256,
            size=upload.size,
            content_type=upload.content_type,
            expires=int(upload.expires),
        )
        return json_reply(
            {
                "upload_id": upload.id,
                "signed_url": sign_url(self._key(), request.base, grant),
                "method": "PUT",
                "headers": {"Content-Type": upload.content_type},
                "expires_at": stamp(grant.expires),
            }
        )

    def _check(self, wanted: SignUpload) -> None:
        most = self._options().file_bytes
        if _HASH.fullmatch(wanted.sha256) is None:
            raise Invalid(f"sha256 must be 64 small hexadecimal digits, not {wanted.sha256[:80]!r}")
        if wanted.size_bytes > most:
            raise Refused(
                f"a file sent this way may have {most} bytes, not {wanted.size_bytes}; 'aexl snapshot push' takes larger ones",
                code="body_too_large",
                status=413,
            )
        if wanted.size_bytes < 0 or wanted.expected_version < 0:
            raise Invalid("size_bytes and expected_version must not be negative")
        if _TYPE.fullmatch(wanted.content_type) is None:
            raise Invalid(f"content_type must be a printable line, not {wanted.content_type[:80]!r}")

    async def send(self, request: Request) -> Reply:
        """Take an upload's content in."""
        grant = self._read_url(request)
        upload = await self._database.read(lambda db: rows.find_upload(db, grant.blob))
        kind = request.headers.get("content-type", "")
        if kind != grant.content_type:
            raise Invalid(f"the content-type is {kind[:80]!r}, and {grant.content_type!r} was signed")
        if upload.version is None:
            await self._uploads.receive(upload, request.body())
        return json_reply({"upload_id": upload.id, "size_bytes": upload.size, "sha256": upload.sha256})

    async def commit(self, request: Request) -> Reply:
        """Put an uploaded file into the project."""
        wanted, upload = await request.json(CommitUpload), request.upload
        if wanted.expected_version not in (None, upload.expected):
            raise Refused(
                f"the upload was signed for version {upload.expected}, not {wanted.expected_version}; sign it again",
                code="version_conflict",
                status=409,
            )
        changed = await self._files.commit(request.caller, upload)
        return json_reply(
            {
                "path": upload.path,
                "version": changed.version,
                "sha256": upload.sha256,
                "size_bytes": upload.size,
                "snapshot": changed.snapshot,
            }
        )

    async def sign_download(self, request: Request) -> Reply:
        """Return the URL to fetch a file's present content from."""
        wanted = await request.json(SignDownload)
        if not 1 <= wanted.expires_seconds <= LONGEST_DOWNLOAD:
            raise Invalid(f"expires_seconds must be from 1 to {LONGEST_DOWNLOAD}, not {wanted.expires_seconds}")
        row = await self._files.find(request.project.id, _path(request))
        grant = Grant(
            method="GET",
            blob=request.project.id,
            sha256=row.sha256,
            size=row.size,
            content_type=row.content_type,
            expires=int(time.time()) + wanted.expires_seconds,
        )
        url = sign_url(self._key(), request.base, grant)
        return json_reply({**file_json(row), "signed_url": url, "method": "GET", "expires_at": stamp(grant.expires)})

    async def fetch(self, request: Request) -> Reply:
        """Return the content that a signed URL names."""
        grant = self._read_url(request)
        return await self.content(grant.blob, grant.sha256, grant.content_type)

    async def content(self, project: str, sha256: str, content_type: str) -> Reply:
        """Answer with a content, in a way that no browser takes for a page of ours."""
        data = await self._files.repositories.read(project, ObjectId(sha256), self._options().file_bytes)
        headers = (
            (b"content-type", content_type.encode("ascii", "replace")),
            (b"etag", f'"{sha256}"'.encode()),
            (b"cache-control", b"private, no-store"),
            (b"content-disposition", b"attachment"),
            (b"x-content-type-options", b"nosniff"),
        )
        return Reply(200, data, headers)

    def _read_url(self, request: Request) -> Grant:
        parts = request.parts
        return read_url(self._key(), request.method, parts["blob"], parts["sha256"], request.query, time.time())

    async def delete(self, request: Request) -> Reply:
        """Take a file out of the project."""
        path, text = request.parts["path"], request.query.get("expected_version")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise Invalid(f"expected_version must be a whole number, not {text[:20]!r}")
        expected = None if text is None else int(text)
        changed = await self._files.delete(request.caller, request.project.id, path, expected)
        return json_reply({"path": path, "deleted": True, "version": changed.version, "snapshot": changed.snapshot})


def _path(request: Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise Invalid("the query must name the file: ?path=…")
    return path


def file_json(row: FileRow) -> dict[str, object]:
    """Return a file as clients see it."""
    return {
        "path": row.path,
        "version": row.version,
        "sha256": row.sha256,
        "size_bytes": row.size,
        "content_type": row.content_type,
        "updated_at": stamp(row.changed),
    }
