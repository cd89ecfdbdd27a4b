"""Files that are there whole or not at all, and durable. Blocks for the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_file(path: Path, data: bytes, *, fresh: bool = False, mode: int = 0o600) -> bool:
    """Put a file in its place; return whether it was put there.

    Args:
        fresh: Only where there is none yet: of any number of processes that try, one does.
    """
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if fresh:
            try:
                path.hardlink_to(aside)
            except FileExistsError:
                return False
        else:
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
