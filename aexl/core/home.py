"""``AEXL_HOME``: where everything that aexl keeps lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aexl.errors import NotFound, Unavailable

FOLDERS: Final = ("keys", "logs", "plugins", "policies")
"""Folders that ``aexl init`` makes; plugins make their own."""


FILE_NAME: Final = "aexl.toml"
SOCKET_NAME: Final = "control.sock"


def find_home(environ: Mapping[str, str]) -> Path:
    """Return ``AEXL_HOME``, by default ``~/.aexl``, as an absolute path; it need not exist."""
    given = environ.get("AEXL_HOME")
    if not given:
        return Path.home() / ".aexl"
    home = Path(given).expanduser()
    return home if home.is_absolute() else find_here() / home


def find_here() -> Path:
    """Return the current folder.

    Raises:
        NotFound: If it has been removed.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise NotFound("the current folder is gone: go to one that is there") from error


def make_home(home: Path) -> None:
    """Make the home, mode 0700, if it is not there.

    Raises:
        Unavailable: If it cannot be made, read or written; says why.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the home {home} cannot be made: {error.strerror}; set AEXL_HOME to another folder"
        ) from error
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        raise Unavailable(f"the home {home} cannot be read and written by this user; set AEXL_HOME to another folder")


def find_project(start: Path, home: Path) -> Path | None:
    """Return the nearest folder from ``start`` upwards with an ``aexl.toml``, unless it is the home."""
    for folder in (start, *start.parents):
        if folder != home and (folder / FILE_NAME).is_file():
            return folder
    return None
