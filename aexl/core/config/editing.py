"""Changing ``aexl.toml`` without losing its comments, and never to something wrong."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexl.errors import AexlError, ConfigError, Problem, Unavailable

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Change = Callable[[MutableMapping[str, Any]], None]


def edit_file(
    path: Path, change: Change, *, check: Callable[[str], object], follow: Callable[[], object] | None
) -> bool:
    """Change a TOML file: the new text is checked, takes the file's place in one step, and is read by who runs.

    Args:
        path: The file; made with mode 0600 if it is not there.
        change: Gets the tomlkit document.
        check: Gets the new text and raises ``ConfigError`` if it cannot be used.
        follow: Has a running server read the file; ``None`` where none runs. What it
            refuses is taken back, byte for byte. One that is gone by now
            (``Unavailable``) reads the file when it starts again.

    Returns:
        Whether a running server has read the file.

    Raises:
        ConfigError: If the file is no TOML now, or what ``check`` or ``follow`` raises; nothing has changed.
        AexlError: What ``change`` or ``follow`` raises; nothing has changed.
    """
    with _alone(path):
        before = path.read_bytes() if path.exists() else None
        document = _parse(path, before or b"")
        change(document)
        text = document.as_string()
        check(text)
        replace_file(path, text.encode())
        if follow is None:
            return False
        try:
            follow()
        except Unavailable:
            return False
        except AexlError:
            _restore(path, before)
            raise
        return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until nobody else changes the file: a change that begins before another has ended would undo it."""
    path = path.resolve()
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _parse(path: Path, data: bytes) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        return tomlkit.parse(data.decode())
    except (TOMLKitError, UnicodeDecodeError) as error:
        line = error.line if isinstance(error, ParseError) else None
        raise ConfigError([Problem(key="syntax", message=str(error), source=str(path), line=line)]) from error


def _restore(path: Path, before: bytes | None) -> None:
    if before is None:
        path.resolve().unlink()
    else:
        replace_file(path, before)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside ``path``, make it durable, and rename it there.

    A link stays a link: the file behind it is replaced. The mode stays; a new file's is 0600.
    """
    path = path.resolve()
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the rename too
    finally:
        os.close(folder)
