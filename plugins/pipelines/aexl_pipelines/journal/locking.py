"""Who drives a run: the process that holds the lock of its journal. Needs no loop."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from aexl.errors import Conflict

NAME: Final = "journal.jsonl"
"""The journal's file in a run's folder."""

_PATIENCE: Final = (0.01, 0.05, 0.2)
"""Seconds between tries: somebody who only asks whether a run is driven has the lock for a moment."""


def lock(descriptor: int, folder: Path) -> None:
    """Take the lock of a run's journal, until the descriptor is closed. Blocks for a moment.

    Raises:
        Conflict: If another process drives the run.
    """
    for wait in _PATIENCE:
        if _has_locked(descriptor):
            return
        time.sleep(wait)
    if not _has_locked(descriptor):
        raise Conflict(f"the run {folder.name} is running in another process")


def is_driven(folder: Path) -> bool:
    """Say whether some process drives a run now. Blocks for a moment."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no journal, nobody who writes it
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _has_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
