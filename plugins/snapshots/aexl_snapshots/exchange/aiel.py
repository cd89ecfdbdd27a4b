"""What an ``.aiel`` folder says of its project: where it was synchronised with, what it tracks, what it ignores."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from aexl.errors import Invalid, NotFound
from aexl_snapshots.objects.ids import is_id

T = TypeVar("T")

FOLDER: Final = ".aiel"
IGNORE_FILE: Final = ".aielignore"
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a state file."""


class _State(msgspec.Struct, frozen=True):
    version: int
    base_url: str | None = None
    workspace_id: str | None = None
    project_id: str | None = None
    workspace_slug: str | None = None
    project_slug: str | None = None
    last_pull_at: str | None = None
    last_manifest: dict[str, dict[str, object]] = {}


class _Staged(msgspec.Struct, frozen=True):
    op: str
    sha256: str | None = None


class _Index(msgspec.Struct, frozen=True):
    version: int
    staged: dict[str, _Staged] = {}


class AielProject(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken over.

    Attributes:
        origin: What there is of base URL, workspace and project, by name.
        tracked: The SHA-256 of each file at the last synchronisation, by path; ``None`` where it was not told.
        added: Paths that were staged.
        removed: Paths whose removal was staged.
        ignore: The lines of the ignore file.
    """

    origin: dict[str, str]
    tracked: dict[str, str | None]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    ignore: str


def read_aiel(root: Path) -> AielProject:
    """Read a project's ``.aiel`` folder; nothing in it is changed.

    Raises:
        NotFound: If there is none.
        Invalid: If a file in it cannot be understood; names the file.
    """
    folder = root / FOLDER
    if not (folder / "state.json").is_file():
        raise NotFound(f"{folder} holds no state.json; is this the project's folder?")
    state = _decode(folder / "state.json", _State)
    index = _decode(folder / "index.json", _Index) if (folder / "index.json").is_file() else _Index(version=1)
    for path, version in ((folder / "state.json", state.version), (folder / "index.json", index.version)):
        if version != 1:
            raise Invalid(f"{path} has version {version}; this program knows version 1")
    names = ("base_url", "workspace_id", "workspace_slug", "project_id", "project_slug", "last_pull_at")
    return AielProject(
        origin={name: value for name in names if (value := getattr(state, name))},
        tracked={path: _digest(entry) for path, entry in state.last_manifest.items()},
        added=tuple(sorted(path for path, staged in index.staged.items() if staged.op == "upsert")),
        removed=tuple(sorted(path for path, staged in index.staged.items() if staged.op == "delete")),
        ignore=_read_ignore(root / IGNORE_FILE),
    )


def _decode(path: Path, kind: type[T]) -> T:
    try:
        if path.stat().st_size > LARGEST:
            raise Invalid(f"{path} is larger than {LARGEST} bytes")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from error


def _digest(entry: dict[str, object]) -> str | None:
    digest = entry.get("sha256")
    return digest if isinstance(digest, str) and is_id(digest) else None


def _read_ignore(path: Path) -> str:
    """Return its lines; spaces around them never counted there."""
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "".join(f"{line.strip()}\n" for line in lines if line.strip())
