"""Which of the machine's files any program needs, and which our own interpreter does."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Final

import aexl.sdk
import aexl_runtime

_SYSTEM: Final = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *(
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/alternatives",
        "/etc/localtime",
        "/etc/timezone",
    ),
    *("/etc/mime.types", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/ca-certificates"),
)
"""Programs, libraries and public settings; nothing that says who uses the machine."""

DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def system_paths() -> tuple[str, ...]:
    """Return the system's programs and libraries, as far as they exist here."""
    return tuple(path for path in _SYSTEM if os.path.lexists(path))


def interpreter_paths() -> tuple[str, ...]:
    """Return what this Python, or this executable, reads when it is started again, with our own packages."""
    executable = os.path.realpath(sys.executable)
    unpacked = getattr(sys, "_MEIPASS", None)
    if unpacked is not None:
        return (str(unpacked), executable)
    packages = [os.path.dirname(_folder_of(aexl.sdk)), _folder_of(aexl_runtime)]
    return tuple(dict.fromkeys([sys.prefix, sys.base_prefix, sys.executable, executable, *packages]))


def _folder_of(package: ModuleType) -> str:
    return os.path.dirname(os.path.realpath(package.__file__ or ""))


def is_system_link(path: str) -> bool:
    """Return whether ``path`` is one of the links in the root folder that stand for folders of ``/usr``."""
    return os.path.dirname(path) == "/" and os.path.islink(path)


def ways_to(path: str) -> list[str]:
    """Return the folders on the way to ``path``, the nearest first, the root folder last."""
    ways = []
    while (above := os.path.dirname(path)) != path:
        ways.append(above)
        path = above
    return ways


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Return ``paths`` in order, without those that lie in another one of them."""
    kept: list[str] = []
    for path in sorted({os.path.normpath(path) for path in paths}):
        if not any(path == other or path.startswith(f"{other}/") for other in kept):
            kept.append(path)
    return tuple(kept)


def is_public(path: str, *, alone: bool) -> bool:
    """Return whether any user can read ``path``, as far as its own mode says.

    Args:
        alone: The way to it does not matter, because it is mounted somewhere else.
    """
    try:
        found = os.stat(path)
        ways = [] if alone else ways_to(os.path.realpath(path))
        passable = all(os.stat(way).st_mode & stat.S_IXOTH for way in ways)
    except OSError:
        return False
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(found.st_mode) else 0)
    return passable and found.st_mode & needed == needed
