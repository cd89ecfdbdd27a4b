"""Where a project is: a folder, or a snapshot that is laid out once, read-only, and kept for further runs."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio

from aexl.api import Host, ObjectId, Repositories, Snapshots
from aexl.errors import Invalid, NotFound, Unavailable
from aexl_runtime.folders import folder_id, read_settings

_SNAPSHOT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

_NOBODY: Final = "no plugin keeps snapshots; enable 'snapshots', or name a folder"


class Project(NamedTuple):
    """A project that is there to be run. ``settings`` is ``[runtime]`` of its own ``aexl.toml``."""

    root: str
    snapshot_id: str
    hash_ms: int
    settings: Mapping[str, Any]


class Projects:
    """Finds projects, and keeps up to ``most`` snapshots laid out."""

    def __init__(self, host: Host, most: int) -> None:
        self._host = host
        self.most = most
        self._folder = host.data_dir / "projects"
        self._laying: dict[str, trio.Lock] = {}

    async def find(self, name: str, repository: str | None = None) -> Project:
        """Return a project.

        Args:
            name: The id of a snapshot, or the absolute path of a folder.
            repository: Where the snapshot is, as ``Invocation`` has it.

        Raises:
            NotFound: If there is none.
            Failed: If its settings cannot be read.
        """
        if _SNAPSHOT.fullmatch(name):
            return await self._snapshot(name, repository)
        path = Path(name)
        if not path.is_absolute():
            raise Invalid(f"a project is the id of a snapshot or the absolute path of a folder, not {name[:100]!r}")
        return await trio.to_thread.run_sync(_look_at_folder, path)

    async def _snapshot(self, snapshot: str, repository: str | None) -> Project:
        root = self._folder / snapshot
        lock = self._laying.setdefault(snapshot, trio.Lock())
        async with lock:
            if not await trio.to_thread.run_sync(_touch, root):
                await self._lay_out(snapshot, repository, root)
        if not lock.locked():
            self._laying.pop(snapshot, None)
        settings = await trio.to_thread.run_sync(read_settings, str(root))
        return Project(str(root), snapshot, 0, settings)

    async def _lay_out(self, snapshot: str, repository: str | None, root: Path) -> None:
        await trio.to_thread.run_sync(self._make_room)
        aside = self._folder / f".{snapshot}.{os.getpid()}"
        await trio.to_thread.run_sync(_remove, aside)
        try:
            await self._extract(ObjectId(snapshot), repository, str(aside))
            await trio.to_thread.run_sync(_freeze, aside, root)
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(_remove, aside)
            raise

    async def _extract(self, snapshot: ObjectId, repository: str | None, path: str) -> None:
        if repository is not None and not Path(repository).is_absolute():
            kept = self._host.service(Repositories)
            if kept is None:
                raise Unavailable(_NOBODY)
            await kept.extract(repository, snapshot, path)
            return
        own = self._host.service(Snapshots)
        if own is None:
            raise Unavailable(_NOBODY)
        if repository is not None:
            with suppress(NotFound):
                await own.extract(repository, snapshot, path)
                return
        try:
            await own.materialize(snapshot, path, True)
        except NotFound as error:
            raise NotFound(_missing(snapshot, repository)) from error
        await own.forget(path)

    def _make_room(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = [path for path in self._folder.iterdir() if _SNAPSHOT.fullmatch(path.name)]
        kept.sort(key=lambda path: path.stat().st_mtime)
        for path in kept[: max(0, len(kept) - self.most + 1)]:
            _remove(path)


def _missing(snapshot: str, repository: str | None) -> str:
    place = "" if repository is None else f" of the project in {repository} ('aexl snapshot log'), nor one"
    return f"there is no snapshot {snapshot}{place} among the host's captures"


def _look_at_folder(path: Path) -> Project:
    if not path.is_dir():
        raise NotFound(f"there is no folder {path}")
    root = os.path.realpath(path)
    begun = time.perf_counter()
    snapshot = folder_id(root)
    return Project(root, snapshot, int((time.perf_counter() - begun) * 1000), read_settings(root))


def _touch(root: Path) -> bool:
    try:
        os.utime(root)
    except FileNotFoundError:
        return False
    return True


def _freeze(aside: Path, root: Path) -> None:
    """Take the permission to write away, and move the folder to its place."""
    for folder, _, files in os.walk(aside, topdown=False):
        for name in files:
            path = Path(folder, name)
            path.chmod(0o555 if os.access(path, os.X_OK) else 0o444)
        Path(folder).chmod(0o555)
    try:
        aside.rename(root)
    except OSError:
        if not root.is_dir():
            raise
        _remove(aside)  # another process was quicker


def _remove(root: Path) -> None:
    if not root.exists():
        return
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(0o700)
    shutil.rmtree(root)
