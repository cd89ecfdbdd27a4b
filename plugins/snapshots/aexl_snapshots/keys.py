"""The key with which a person's, or a machine's, snapshots are signed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aexl.errors import Invalid
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.disk.files import RealFiles, make_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PLACE: Final = Path("keys") / "snapshots.key"
"""Below ``AEXL_HOME``; the private key's 32 bytes in hexadecimal digits, mode 0600."""


def author_key(home: Path) -> Ed25519PrivateKey:
    """Return the key of this home; the first time, make it.

    Raises:
        Invalid: If the file holds none.
        Unavailable: If it cannot be read or written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = home / PLACE
    if not path.exists():
        _create(path, Ed25519PrivateKey.generate().private_bytes_raw().hex())
    with disk_errors(path):
        text = path.read_text().strip()
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    except ValueError as error:
        raise Invalid(f"{path} does not hold a key; move it away, and a new one is made") from error


def _create(path: Path, text: str) -> None:
    """Put a new key where none is; of two that do so at once, one wins."""
    files = RealFiles()
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with disk_errors(path):
        make_folder(files, path.parent)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            files.write(descriptor, f"{text}\n".encode())
            files.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            files.link(unfinished, path)
        except FileExistsError:
            pass  # somebody else was quicker: theirs is used
        finally:
            files.unlink(unfinished)
        files.fsync_folder(path.parent)
