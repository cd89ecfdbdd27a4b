"""Sessions: a pipeline in a folder, and its turns so far; each in a file of its own, so that they outlive the server. Blocks."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from aexl.errors import Conflict, NotFound, Unavailable
from aexl_pipelines.gates.atomic import write_file

MOST_TURNS: Final = 10_000
"""Turns of one session."""


class SessionFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session.

    Attributes:
        turns: The runs of its turns, in order.
        path: The pipeline that it was opened with; or ``inline``.
    """

    key: str
    agent: str
    folder: str
    created: float
    path: str | None = None
    inline: str | None = None
    runner: str | None = None
    model: str | None = None
    name: str = ""
    steps: int = 0
    turns: tuple[str, ...] = ()


class Sessions:
    """The sessions of a home.

    Args:
        folder: Has a file for each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, session: SessionFile) -> SessionFile:
        """Open a session; without a key it gets one.

        Raises:
            Conflict: If the key is taken.
        """
        named = session if session.key else msgspec.structs.replace(session, key=secrets.token_hex(8))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not write_file(self._path(named.key), msgspec.json.encode(named), fresh=True):
            raise Conflict(f"there is a session {named.key!r} already")
        return named

    def get(self, key: str, agent: str | None) -> SessionFile:
        """Return a session; with ``agent``, only if it is that agent's.

        Raises:
            NotFound: If there is none.
        """
        found = self._read(self._path(key)) if key.isascii() and "/" not in key and not key.startswith(".") else None
        if found is None or agent not in {None, found.agent}:
            raise NotFound(f"there is no session {key[:64]!r}")
        return found

    def listed(self, agent: str | None) -> list[SessionFile]:
        """Return all sessions, or an agent's, the newest first."""
        found = (self._read(path) for path in self._folder.glob("*.json"))
        mine = [each for each in found if each is not None and agent in {None, each.agent}]
        return sorted(mine, key=lambda each: each.created, reverse=True)

    def save(self, session: SessionFile) -> None:
        """Write a session down, at once or not at all."""
        write_file(self._path(session.key), msgspec.json.encode(session))

    def remove(self, key: str) -> None:
        """Forget a session; its runs stay."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _read(self, path: Path) -> SessionFile | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=SessionFile)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise Unavailable(f"the session {path} cannot be read: {error}") from error


def page(turns: tuple[str, ...], offset: int, limit: int) -> Iterator[str]:
    """Yield a page of turns, the newest first."""
    yield from tuple(reversed(turns))[offset : offset + limit]
