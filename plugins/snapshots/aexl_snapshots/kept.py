"""Snapshots that are kept from gc under names that are not of people: those of pipelines' runs, for instance.

One small file for each name, in ``kept/`` of a repository: an id on each line, and
a last line with the SHA-256 of those before it. Unlike heads, tags and pins these
files do not say which packs are needed, so that there may be thousands of them;
gc follows what they name all the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from aexl.api import ObjectId
from aexl.errors import HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots import history
from aexl_snapshots.objects.ids import is_id, object_id

if TYPE_CHECKING:
    from aexl_snapshots.repository import Repository

FOLDER: Final = "kept/"
MOST: Final = 65_536
"""Snapshots that one name may keep."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_ATTEMPTS: Final = 100


def keep(repository: Repository, name: str, snapshots: Collection[ObjectId]) -> None:
    """Keep snapshots, and all that they were made from, beside what the name keeps already; durable.

    Raises:
        NotFound: If one of them is not here, or not whole any more; nothing has changed.
        Invalid: If it is not a name: up to 100 letters, digits, ``.``, ``_`` and ``-``.
    """
    path = _path(name)
    with repository.writing():
        for _ in range(_ATTEMPTS):
            found, version = _read(repository, path)
            new = set(snapshots) - found
            if not new:
                return
            _refuse_unless_whole(repository, new - set(repository.heads().values()))  # heads are whole
            if len(found | new) > MOST:
                raise Invalid(f"{name} keeps {len(found)} snapshots, and may keep {MOST}")
            try:
                repository.directory.put_if_match(path, _encode(found | new), version)
            except HeadMoved:
                continue
            return
    raise Unavailable(f"{path} of {repository.path} changes all the time; try again")


def release(repository: Repository, names: Collection[str]) -> None:
    """Keep nothing under these names any more; one that keeps nothing is no error.

    Raises:
        Invalid: If it is not a name.
    """
    for path in [_path(name) for name in names]:
        repository.directory.delete(path)


def kept(repository: Repository) -> Mapping[str, frozenset[ObjectId]]:
    """Return what is kept, by name.

    Raises:
        Invalid: If a name's file is damaged.
    """
    return {path.removeprefix(FOLDER): _read(repository, path)[0] for path in repository.directory.list(FOLDER)}


def roots(repository: Repository) -> set[ObjectId]:
    """Return all snapshots that any name keeps."""
    return {snapshot for snapshots in kept(repository).values() for snapshot in snapshots}


def _path(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise Invalid(f"{name[:120]!r} cannot keep snapshots: use up to 100 letters, digits, '.', '_' and '-'")
    return FOLDER + name


def _read(repository: Repository, path: str) -> tuple[frozenset[ObjectId], str | None]:
    try:
        data, version = repository.directory.versioned(path)
    except NotFound:
        return frozenset(), None
    *lines, last, end = data.decode("ascii", "replace").split("\n")
    if end or last != object_id(_join(lines)) or not all(is_id(line) for line in lines):
        raise Invalid(f"{path} of {repository.path} is damaged; delete it if what it kept is not needed")
    return frozenset(map(ObjectId, lines)), version


def _encode(snapshots: Collection[ObjectId]) -> bytes:
    lines = _join(sorted(snapshots))
    return lines + object_id(lines).encode() + b"\n"


def _join(lines: Collection[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _refuse_unless_whole(repository: Repository, snapshots: Collection[ObjectId]) -> None:
    """Garbage may have lost some of its objects to gc while others are still there."""
    for id, snapshot in history.ancestors(repository.read_snapshot, snapshots).items():
        for entry in repository.read_manifest(snapshot.manifest):
            if not repository.has(entry.id):
                raise NotFound(f"snapshot {id} is not whole any more: gc has removed {entry.path}; capture it again")
