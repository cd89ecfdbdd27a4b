"""The folder that recordings lie in: one file each, complete or not there at all.

A file is named by the fingerprint of its request and by how many there were
before it with the same one. Functions here block; the loop calls them in threads.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from aexl.errors import Invalid, NotFound, Unavailable
from aexl_cassettes.tape import Asked, Tape, read_asked, read_tape, write_tape

SUFFIX: Final = ".jsonl"
MARKS: Final = ".replayed"
"""The file that says when which recording was last replayed: a name and a Unix time on each line."""

_PREFIX: Final = ".recording-"
_NAME: Final = re.compile(r"([0-9a-f]{16})-([0-9]{3,})")
_ABANDONED: Final = 3600.0
"""Seconds after which an unfinished file belongs to nobody any more: no exchange is longer."""


class Entry(NamedTuple):
    """A recording as the folder lists it."""

    id: str
    asked: Asked
    size: int


class Listing(NamedTuple):
    """What is in the folder, the oldest first, and what is wrong with files that cannot be read."""

    entries: list[Entry]
    problems: list[str]


class Folder:
    """Recordings in a folder, which need not exist until something is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def list(self) -> Listing:
        """Return all recordings; of each, only the request is read."""
        entries: list[Entry] = []
        problems: list[str] = []
        for path in sorted(self.path.glob(f"*{SUFFIX}")):
            if _NAME.fullmatch(path.stem) is None:
                continue
            try:
                with path.open("rb") as file:
                    asked = read_asked(file.readline())
                    entries.append(Entry(path.stem, asked, os.fstat(file.fileno()).st_size))
            except (Invalid, OSError) as error:
                problems.append(f"{path}: {error}")
        entries.sort(key=lambda entry: (entry.asked.at, entry.id))
        return Listing(entries, problems)

    def read(self, id: str) -> Tape:
        """Return a recording.

        Raises:
            Invalid: If the file is broken.
            Unavailable: If it cannot be read.
        """
        path = self._file(id)
        try:
            return read_tape(path.read_bytes())
        except OSError as error:
            raise Unavailable(f"the recording {path} cannot be read: {error.strerror}") from error
        except Invalid as error:
            raise Invalid(f"{path}: {error}") from error

    def find(self, prefix: str) -> str:
        """Return the one recording whose name begins so.

        Raises:
            NotFound: If there is none.
            Invalid: If there are several.
        """
        found = [path.stem for path in self.path.glob(f"*{SUFFIX}") if path.stem.startswith(prefix)]
        found = [name for name in found if _NAME.fullmatch(name)]
        if prefix in found:
            return prefix
        if not found:
            raise NotFound(f"there is no recording {prefix!r} in {self.path}; see 'aexl cassette list'")
        if len(found) > 1:
            raise Invalid(f"{prefix!r} fits {len(found)} recordings: {', '.join(sorted(found)[:5])}")
        return found[0]

    def write(self, fingerprint: str, tape: Tape) -> str:
        """Write a recording, durably and in one step; return its name.

        Raises:
            OSError: If it cannot be written; nothing is left of it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=self.path)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(write_tape(tape))
                file.flush()
                os.fsync(file.fileno())
            return self._name(name, fingerprint[:16])
        finally:
            Path(name).unlink()

    def _name(self, written: str, stem: str) -> str:
        """Give a finished file the next free name; a link, unlike a rename, never takes another's place."""
        known = [int(match[2]) for path in self.path.glob(f"{stem}-*{SUFFIX}") if (match := _NAME.fullmatch(path.stem))]
        ordinal = max(known, default=0) + 1
        while True:
            found = f"{stem}-{ordinal:03}"
            try:
                os.link(written, self._file(found))
            except FileExistsError:
                ordinal += 1
            else:
                return found

    def remove(self, ids: Iterable[str]) -> None:
        """Delete recordings, and what a process that was killed has left unfinished."""
        for known in ids:
            self._file(known).unlink(missing_ok=True)
        for path in self.path.glob(f"{_PREFIX}*"):
            with suppress(FileNotFoundError):  # its process has finished it meanwhile
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    def mark(self, id: str, at: float) -> None:
        """Note that a recording was replayed.

        Raises:
            OSError: If the folder cannot be written.
        """
        with (self.path / MARKS).open("a", encoding="ascii") as file:
            file.write(f"{id} {at:.0f}\n")

    def marks(self) -> dict[str, float]:
        """Return when each recording was last replayed; those that never were are missing.

        Raises:
            Invalid: If the file that says so is broken.
        """
        path = self.path / MARKS
        try:
            lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return {}
        found = {}
        for number, line in enumerate(lines, 1):
            marked, _, at = line.partition(" ")
            try:
                found[marked] = float(at)
            except ValueError as error:
                raise Invalid(
                    f"{path}: line {number} has no time; delete the file to forget what was replayed"
                ) from error
        return found

    def _file(self, id: str) -> Path:
        return self.path / f"{id}{SUFFIX}"
