"""Folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_UNFINISHED: Final = ".unfinished-"


@contextmanager
def made_aside(folder: Path) -> Iterator[Path]:
    """Give an empty folder to be filled; at the end it becomes ``folder``, unless somebody was quicker.

    Killed at any moment, it leaves nothing in the folder's place; the next one removes what it left beside it. Blocks.
    """
    place = folder.parent
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_unfinished(place)
    aside = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{os.getpid()}-", dir=place))
    try:
        yield aside
        aside.chmod(0o755)  # a worker may be another user; the way to it is closed to all others
        try:
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _remove_unfinished(place: Path) -> None:
    """Remove what a process that has ended left."""
    for path in place.glob(f"{_UNFINISHED}*"):
        maker = path.name.removeprefix(_UNFINISHED).partition("-")[0]
        if not Path("/proc", maker).exists():
            shutil.rmtree(path, ignore_errors=True)
