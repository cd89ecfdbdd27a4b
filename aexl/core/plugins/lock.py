"""``$AEXL_HOME/plugins/lock.json``: which plugins were installed, and every file of theirs with its hash.

Replacing this file is what makes an installation or a removal happen. Each
installation has a folder of its own, ``plugins/<distribution>/<id>``, so that the
folder of the last one stays whole until the lock names the next one, and a running
server keeps what it has loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from aexl.errors import Unavailable

LOCK_NAME: Final = "lock.json"

ID: Final = re.compile(r"[0-9a-f]{16}")
"""What an installation's folder is called."""


class LockedFile(msgspec.Struct, frozen=True, array_like=True):
    """One file: bytes, and SHA-256 in hexadecimal."""

    size: int
    sha256: str


class LockedWheel(msgspec.Struct, frozen=True, kw_only=True):
    """One wheel that was unpacked, by the name of its distribution and of its file; ``sha256`` is the file's."""

    name: str
    version: str
    file: str
    sha256: str


class LockedPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin: its name, its object as ``module:attribute``, and the hooks it was seen to implement."""

    name: str
    value: str
    hooks: tuple[str, ...] = ()


class LockedPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """One distribution with plugins in it.

    Attributes:
        folder: Where it lies, relative to ``plugins/``.
        python: The interpreter it was unpacked and compiled for, such as ``cpython-311``.
        source: What was asked for: a file, an address, or a name of an index.
        installed: Unix time in seconds.
        requires: Its requirements on aexl.
        wheels: What was unpacked, the distribution itself first, then what it brought along.
        files: By path relative to ``folder``, with ``/`` between the parts.
    """

    name: str
    version: str
    folder: str
    python: str
    source: str
    installed: float
    points: tuple[LockedPoint, ...]
    requires: tuple[str, ...]
    wheels: tuple[LockedWheel, ...]
    files: Mapping[str, LockedFile]

    @property
    def digest(self) -> str:
        """SHA-256 over all paths, sizes and hashes: the content of the folder in one number."""
        lines = (f"{path}\0{file.size}\0{file.sha256}\n" for path, file in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file; ``plugins`` by the normalised name of the distribution."""

    version: int = 1
    plugins: Mapping[str, LockedPlugin] = {}


def plugins_folder(home: Path) -> Path:
    """Return where plugins are unpacked."""
    return home / "plugins"


def read_lock(root: Path) -> Lock:
    """Return what is locked; nothing where there is no lock file.

    Raises:
        Unavailable: If the file cannot be read or is not one of ours.
    """
    path = root / LOCK_NAME
    try:
        lock = msgspec.json.decode(path.read_bytes(), type=Lock)
    except FileNotFoundError:
        return Lock()
    except (OSError, msgspec.MsgspecError) as error:
        raise Unavailable(
            f"{path} cannot be read ({error}), so no plugin below {root} can be trusted; "
            f"put the file back, or delete it and install the plugins again"
        ) from error
    if lock.version != 1:
        raise Unavailable(
            f"{path} has version {lock.version}, and this aexl knows version 1; use the aexl that wrote it"
        )
    for plugin in lock.plugins.values():
        name, _, identity = plugin.folder.partition("/")
        if name != plugin.name or not ID.fullmatch(identity):
            raise Unavailable(f"{path} names the folder {plugin.folder!r}, which is none of ours; put the file back")
    return lock


def write_lock(root: Path, lock: Lock) -> None:
    """Replace the lock file, durably and in one step."""
    from aexl.core.config.editing import replace_file

    text = msgspec.json.encode(lock, order="deterministic")
    replace_file(root / LOCK_NAME, msgspec.json.format(text, indent=1) + b"\n")
