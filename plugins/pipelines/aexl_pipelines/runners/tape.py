"""Recorded runs: one JSON object on a line, in the order in which things happened.

The first line says which runner it was. Then come its lines of output (``out``;
``out64`` for bytes that are no UTF-8) and of standard error (``err``), and its exit
code (``exit``); or, of a runner without a process, its events (``event``) and its
outcome (``outcome``).
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from aexl.api.runners import RunnerEvent, RunnerOutcome, RunnerRequest
from aexl.errors import Invalid, NotFound

VERSION: Final = 1

MOST: Final = 256 * 1024 * 1024
"""Bytes of a recording."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line; the first has ``tape`` and ``runner``."""

    tape: int | None = None
    runner: str | None = None
    model: str | None = None
    prompt: str | None = None
    out: str | None = None
    out64: str | None = None
    err: str | None = None
    exit: int | None = None
    event: RunnerEvent | None = None
    outcome: RunnerOutcome | None = None

    def output(self) -> bytes | None:
        """Return the line of output that this is, if it is one."""
        if self.out64 is not None:
            return b64decode(self.out64)
        return None if self.out is None else self.out.encode()


def fingerprint(request: RunnerRequest) -> str:
    """Return the name that a run's recording has in a folder: by what was asked, and not where."""
    asked = (request.model, request.system, request.append_system, request.prompt, request.schema)
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()[:32]


def output_entry(line: bytes) -> Entry:
    """Return the entry of a line of output."""
    try:
        return Entry(out=line.decode())
    except UnicodeDecodeError:
        return Entry(out64=b64encode(line).decode())


class Recorder:
    """Keeps what happens, and writes it down at the end.

    Args:
        folder: Gets the recording, named by the request's fingerprint.
    """

    def __init__(self, folder: Path, runner: str, request: RunnerRequest) -> None:
        self.path = folder / f"{fingerprint(request)}.jsonl"
        first = Entry(tape=VERSION, runner=runner, model=request.model, prompt=request.prompt)
        self._lines = [msgspec.json.encode(first)]
        self._size = 0

    def add(self, entry: Entry) -> None:
        """Keep an entry; beyond the limit of a recording nothing more is kept, and nothing is written. Must not wait."""
        line = msgspec.json.encode(entry)
        self._size += len(line)
        if self._size <= MOST:
            self._lines.append(line)

    def write(self) -> None:
        """Write the recording, whole or not at all. Blocks.

        Raises:
            Invalid: If the run was too long for one.
        """
        if self._size > MOST:
            raise Invalid(f"the run has more than {MOST} bytes of output, so it was not recorded")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_bytes(b"\n".join(self._lines) + b"\n")
        beside.replace(self.path)


def read_tape(place: Path, request: RunnerRequest) -> Iterator[Entry]:
    """Yield the entries of a recording: of a file, or of the one in a folder that fits the request. Blocks.

    Raises:
        NotFound: If there is none.
        Invalid: If it is not one, or is too long.
    """
    path = place / f"{fingerprint(request)}.jsonl" if place.is_dir() else place
    if not path.is_file():
        raise NotFound(f"there is no recording {str(path)!r} of this prompt and model: record it, or name another file")
    if path.stat().st_size > MOST:
        raise Invalid(f"the recording {str(path)!r} has more than {MOST} bytes")
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{path}:{number}: this is no line of a recording: {error}") from error
        if number == 1 and (entry.tape != VERSION or entry.runner is None):
            raise Invalid(f"{path}: this is no recording of version {VERSION}")
        yield entry
