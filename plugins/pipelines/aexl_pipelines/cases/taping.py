"""Recordings of a case: what agents said, and what they changed in the files, so that both can be had again.

A tape is a folder. Each time that an agent was asked has a recording in it, named by
what was asked, and beside it, where files changed, ``NAME.files.json``.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.api import Host, Runner
from aexl.api.runners import RunnerEvent, RunnerOutcome, RunnerRequest
from aexl.errors import Invalid
from aexl_pipelines.cases import scratch
from aexl_pipelines.runners import running
from aexl_pipelines.runners.cassette import CassetteRunner
from aexl_pipelines.runners.hosted import Hosted
from aexl_pipelines.runners.tape import fingerprint

MOST: Final = 16 * 1024 * 1024
"""Bytes of changed files that a recording has."""

Tell = Callable[[RunnerEvent], Awaitable[None]]


class Kept(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file that an agent wrote; neither for one that it removed."""

    text: str | None = None
    base64: str | None = None
    executable: bool = False


class _Taped(Hosted):
    """Stands in for a runner, and can do what it can do."""

    def __init__(self, runner: Runner, tape: Path) -> None:
        self.name = runner.name
        self.capabilities: frozenset[str] = runner.capabilities
        self._runner = runner
        self._tape = tape

    def _files(self, request: RunnerRequest) -> Path:
        return self._tape / f"{fingerprint(request)}.files.json"


class RecordingRunner(_Taped):
    """Asks a runner, and keeps what it says and does.

    Args:
        decide: Answers the agent's questions for permissions.
    """

    def __init__(self, runner: Runner, tape: Path, decide: running.Decide) -> None:
        super().__init__(runner, tape)
        self._decide = decide

    async def run(self, host: Host, request: RunnerRequest, tell: Tell) -> RunnerOutcome:
        """Run the runner, and write the recording when it has ended."""
        before = await trio.to_thread.run_sync(scratch.look, request.cwd)
        outcome = await running.run(host, self._runner, request, tell=tell, decide=self._decide, record=self._tape)
        after = await trio.to_thread.run_sync(scratch.look, request.cwd)
        paths = scratch.changed(before, after)
        await trio.to_thread.run_sync(_keep, self._files(request), request.cwd, paths)
        return outcome


class ReplayingRunner(_Taped):
    """Says and does what a recording has."""

    def __init__(self, runner: Runner, tape: Path, known: Mapping[str, Runner]) -> None:
        super().__init__(runner, tape)
        self._cassette = CassetteRunner(known)

    async def run(self, host: Host, request: RunnerRequest, tell: Tell) -> RunnerOutcome:
        """Replay."""
        options = {"tape": str(self._tape), "options": request.options}
        place = self._files(request)
        outcome = await self._cassette.run(host, msgspec.structs.replace(request, options=options), tell)
        await trio.to_thread.run_sync(_restore, place, request.cwd)
        return outcome


def _keep(place: Path, folder: Path, paths: frozenset[str]) -> None:
    size = 0
    kept: dict[str, Kept] = {}
    for name in sorted(paths):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            kept[name] = Kept()
            continue
        data = path.read_bytes()
        size += len(data)
        if size > MOST:
            raise Invalid(f"the agent changed more than {MOST} bytes of files, so the run was not recorded")
        executable = bool(path.stat().st_mode & 0o100)
        try:
            kept[name] = Kept(text=data.decode(), executable=executable)
        except UnicodeDecodeError:
            kept[name] = Kept(base64=b64encode(data).decode(), executable=executable)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if kept:
        place.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
    else:
        place.unlink(missing_ok=True)


def _restore(place: Path, folder: Path) -> None:
    if not place.is_file():
        return
    try:
        kept = msgspec.json.decode(place.read_bytes(), type=dict[str, Kept])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{place} is no list of changed files: {error}") from error
    for name, file in kept.items():
        path = scratch.inside(folder, name)
        if file.text is None and file.base64 is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(file.base64) if file.base64 is not None else (file.text or "").encode())
        path.chmod(0o755 if file.executable else 0o644)
