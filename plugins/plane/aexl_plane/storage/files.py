"""What a project's head holds, file by file with versions, and uploads on their way into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import apsw

from aexl.api import RepositoryFile
from aexl.errors import NotFound, Refused
from aexl_plane.names import new_id
from aexl_plane.records import FileRow, Upload
from aexl_plane.storage.rows import columns, fetch, fetch_one, number


def known_head(connection: apsw.Connection, project: str) -> str | None:
    """Return the snapshot that the rows describe."""
    row = connection.execute("SELECT snapshot FROM heads WHERE project = ?", (project,)).fetchone()
    return None if row is None else str(row[0])


def list_files(connection: apsw.Connection, project: str) -> Sequence[FileRow]:
    """Return the files, by path."""
    query = f"SELECT {columns(FileRow)} FROM files WHERE project = ? AND sha256 IS NOT NULL ORDER BY path"
    return fetch(connection, FileRow, query, (project,))


def find_file(connection: apsw.Connection, project: str, path: str) -> FileRow | None:
    """Return one file, if it is there."""
    query = f"SELECT {columns(FileRow)} FROM files WHERE project = ? AND path = ? AND sha256 IS NOT NULL"
    return fetch_one(connection, FileRow, query, (project, path))


def follow_head(
    connection: apsw.Connection,
    project: str,
    snapshot: str,
    files: Sequence[RepositoryFile],
    content_types: Mapping[str, str],
    guess: Callable[[str], str],
) -> None:
    """Make the rows those of a snapshot: whatever differs gets the next version, whoever has changed it.

    Args:
        content_types: Of files that a client has told; the others keep theirs, or are guessed.
    """
    query = "SELECT path, sha256, version, content_type FROM files WHERE project = ?"
    before = {
        str(path): (sha256, version, kind) for path, sha256, version, kind in connection.execute(query, (project,))
    }
    now = time.time()
    for file in files:
        sha256, version, kind = before.pop(file.path, (None, 0, None))
        if sha256 != file.id:
            told = content_types.get(file.path) or kind or guess(file.path)
            connection.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
                (project, file.path, int(version) + 1, file.id, file.size, told, now),
            )
    for path, (sha256, version, _) in before.items():
        if sha256 is not None:  # its last version stays, so that a file that comes back does not begin anew
            connection.execute(
                "UPDATE files SET sha256 = NULL, size = 0, version = ?, changed = ? WHERE project = ? AND path = ?",
                (int(version) + 1, now, project, path),
            )
    connection.execute("INSERT OR REPLACE INTO heads VALUES (?, ?)", (project, snapshot))


def add_upload(
    connection: apsw.Connection,
    project: str,
    *,
    path: str,
    expected: int,
    sha256: str,
    size: int,
    content_type: str,
    seconds: float,
    most: int,
) -> Upload:
    """Remember what a client is about to send.

    Raises:
        Refused: 429 if the project has too many uploads that are not committed.
    """
    query = "SELECT count(*) FROM uploads WHERE project = ? AND version IS NULL AND expires > ?"
    waiting = number(connection, query, (project, time.time()))
    if waiting >= most:
        raise Refused(
            f"{waiting} uploads of this project are not committed yet, and {most} may be; commit them, or wait",
            code="too_many_uploads",
            status=429,
            retry_after=seconds,
        )
    upload = Upload(
        id=new_id("up"),
        project=project,
        path=path,
        expected=expected,
        sha256=sha256,
        size=size,
        content_type=content_type,
        expires=time.time() + seconds,
        version=None,
        snapshot=None,
    )
    connection.execute(
        "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (upload.id, project, path, expected, sha256, size, content_type, upload.expires),
    )
    return upload


def find_upload(connection: apsw.Connection, id: str) -> Upload:
    """Return an upload.

    Raises:
        NotFound: If there is none, or its time has run out.
    """
    query = f"SELECT {columns(Upload)} FROM uploads WHERE id = ? AND (expires > ? OR version IS NOT NULL)"
    found = fetch_one(connection, Upload, query, (id, time.time()))
    if found is None:
        raise no_upload(id)
    return found


def no_upload(id: str) -> NotFound:
    """Return the error for an upload that is not there, or not the caller's: nobody learns which."""
    return NotFound(f"there is no upload {id[:80]!r}, or its time has run out; sign it again")


def finish_upload(connection: apsw.Connection, id: str, version: int, snapshot: str) -> None:
    """Remember what became of an upload, so that asking again has the same answer."""
    connection.execute("UPDATE uploads SET version = ?, snapshot = ? WHERE id = ?", (version, snapshot, id))


def drop_uploads(connection: apsw.Connection, before: float) -> Sequence[str]:
    """Forget uploads whose time had run out at a time; return their ids."""
    ids = [str(row[0]) for row in connection.execute("SELECT id FROM uploads WHERE expires <= ?", (before,))]
    connection.execute("DELETE FROM uploads WHERE expires <= ?", (before,))
    return ids
