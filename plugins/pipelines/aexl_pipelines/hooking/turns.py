"""What is remembered of a person's session with a CLI, from one hook to the next."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from aexl.api import ObjectId

_KEPT: Final = 30 * 86400.0
"""Seconds after which a session is forgotten."""


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person has asked last, and how it went so far.

    Attributes:
        base: The snapshot of the files when it was asked.
        rounds: How often the agent was sent back to its work since then.
    """

    prompt: str = ""
    base: ObjectId | None = None
    rounds: int = 0


class Turns:
    """The latest turn of each session, a file each. Blocks.

    Args:
        home: ``AEXL_HOME``.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "hooks"

    def read(self, cli: str, session: str) -> Turn:
        """Return the latest turn; an empty one for a session that nothing is known of."""
        try:
            return msgspec.json.decode(self._path(cli, session).read_bytes(), type=Turn)
        except (FileNotFoundError, msgspec.DecodeError):
            return Turn()

    def write(self, cli: str, session: str, turn: Turn) -> None:
        """Remember a turn, and forget sessions of long ago."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".", dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(turn))
        Path(name).replace(self._path(cli, session))
        self._forget(time.time() - _KEPT)

    def _path(self, cli: str, session: str) -> Path:
        return self._folder / f"{cli}-{hashlib.sha256(session.encode()).hexdigest()[:32]}.json"

    def _forget(self, before: float) -> None:
        for path in self._folder.glob("*"):
            try:
                if path.stat().st_mtime < before:
                    path.unlink()
            except FileNotFoundError:
                continue  # another hook was quicker
