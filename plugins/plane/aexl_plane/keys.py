"""The key that signs URLs: ``$AEXL_HOME/keys/plane.key``, 32 random bytes, mode 0600."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from aexl.errors import Invalid, Unavailable

PLACE: Final = Path("keys") / "plane.key"
_BYTES: Final = 32


def load_key(home: Path) -> bytes:
    """Return the key of this home; the first time, make it. Blocks.

    Raises:
        Invalid: If the file holds none.
        Unavailable: If it cannot be read or written.
    """
    path = home / PLACE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path, secrets.token_bytes(_BYTES))
        key = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror or error}") from error
    if len(key) != _BYTES:
        raise Invalid(f"{path} does not hold a key; move it away, and a new one is made: signed URLs end then")
    return key


def _create(path: Path, key: bytes) -> None:
    """Put a key where none is; of two that do so at once, one wins."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, key)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass  # somebody else was quicker: theirs is used
    finally:
        unfinished.unlink()
