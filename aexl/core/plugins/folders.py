"""The folders below ``$AEXL_HOME/plugins``: who may change them, what counts, and what is swept away."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from aexl.core.plugins.lock import ID, LOCK_NAME, Lock, LockedPlugin, plugins_folder, read_lock, write_lock
from aexl.errors import NotFound, Unavailable

STAGING: Final = ".staging-"
"""How the name of a folder begins in which something is being unpacked."""

_LOCK_FILE: Final = ".lock"


@contextmanager
def changing(home: Path) -> Iterator[Path]:
    """Hold the right to change what is installed; the value is ``$AEXL_HOME/plugins``.

    Raises:
        Unavailable: If another process has it, or the folder cannot be made.
    """
    root = plugins_folder(home)
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(root / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{root} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield root
    except BlockingIOError as error:
        raise Unavailable(f"another command is changing the plugins in {root}; try again when it has ended") from error
    finally:
        os.close(descriptor)


def remove(home: Path, name: str, *, server_since: float | None = None) -> LockedPlugin:
    """Take a plugin away, with everything that was installed with it.

    Args:
        name: Of the plugin or of its distribution.
        server_since: As for ``install``.

    Raises:
        NotFound: If it is not installed below the home.
    """
    with changing(home) as root:
        lock = read_lock(root)
        plugin = find(lock, name)
        if plugin is None:
            raise NotFound(f"no plugin {name!r} is installed in {root}")
        commit(root, lock, {key: value for key, value in lock.plugins.items() if value is not plugin}, server_since)
    return plugin


def find(lock: Lock, name: str) -> LockedPlugin | None:
    """Return the installation that has a plugin of this name, or is called so itself."""
    for plugin in lock.plugins.values():
        if any(point.name == name for point in plugin.points):
            return plugin
    return lock.plugins.get(canonicalize_name(name))


def commit(root: Path, before: Lock, plugins: Mapping[str, LockedPlugin], server_since: float | None) -> None:
    """Let ``plugins`` be what is installed from now on."""
    lock = Lock(plugins=plugins)
    write_lock(root, lock)
    for name, plugin in before.plugins.items():
        if name not in plugins or plugins[name].folder != plugin.folder:
            folder = root / plugin.folder
            if folder.is_dir():
                os.utime(folder)  # from now on nobody needs it but a server that runs already
    sweep(root, lock, server_since)


def sweep(root: Path, lock: Lock, server_since: float | None) -> None:
    """Delete what interrupted installations left, and folders that were replaced.

    A folder that was replaced after the running server started stays: it may be loaded from. What cannot be
    deleted stays as well; nothing is loaded from it.
    """
    current = {plugin.folder for plugin in lock.plugins.values()}
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(STAGING):
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name.startswith(f".{LOCK_NAME}."):
            entry.unlink(missing_ok=True)
        elif entry.is_dir() and not entry.name.startswith("."):
            _sweep_folder(entry, current, server_since)


def _sweep_folder(folder: Path, current: set[str], server_since: float | None) -> None:
    for version in sorted(folder.iterdir()):
        if not ID.fullmatch(version.name) or f"{folder.name}/{version.name}" in current:
            continue
        if server_since is None or version.stat().st_mtime < server_since:
            shutil.rmtree(version, ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
