"""What is answered about files and snapshots. Times are ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aexl.api import FileChange
from aexl_plane.records import FileRow
from aexl_plane.stamps import stamp


class FileShape(msgspec.Struct, frozen=True, kw_only=True):
    """A present file."""

    path: str
    version: int
    sha256: str
    size_bytes: int
    content_type: str
    updated_at: str


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """The present files; ``snapshot`` is null before the first one."""

    snapshot: str | None
    files: Sequence[FileShape]


class SnapshotFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a snapshot."""

    path: str
    sha256: str
    size_bytes: int
    executable: bool


class SnapshotFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot's files, by path."""

    snapshot: str
    files: Sequence[SnapshotFile]


class SnapshotShape(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot."""

    id: str
    parents: Sequence[str]
    author: str
    message: str
    time: str
    metadata: Mapping[str, Any]


class SnapshotLog(msgspec.Struct, frozen=True, kw_only=True):
    """The latest snapshots, each before those it was made from."""

    head: str | None
    snapshots: Sequence[SnapshotShape]


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot that restoring another one has made."""

    snapshot: str
    restored: str


class SnapshotDiff(msgspec.Struct, frozen=True, kw_only=True, rename={"old": "from", "new": "to"}):
    """What differs between two snapshots."""

    old: str
    new: str
    changes: Sequence[FileChange]


def file_shape(row: FileRow) -> FileShape:
    """Return a present file."""
    return FileShape(
        path=row.path,
        version=row.version,
        sha256=row.sha256,
        size_bytes=row.size,
        content_type=row.content_type,
        updated_at=stamp(row.changed),
    )
