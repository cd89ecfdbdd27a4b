"""The runner ``cassette``: replays recorded runs, by the parser of the runner that they were recorded of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from aexl.api import Host, Runner
from aexl.api.runners import Ability, RunnerEvent, RunnerOutcome, RunnerRequest
from aexl.errors import Invalid
from aexl_pipelines.runners.hosted import Hosted
from aexl_pipelines.runners.launching import read_options
from aexl_pipelines.runners.tape import Entry, read_tape


class CassetteOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it replays.

    Attributes:
        tape: A recording, or a folder of them; below the working folder where it is relative.
        options: Those of the runner that was recorded, where its output cannot be read without them.
    """

    tape: str
    options: dict[str, object] = {}


class CassetteRunner(Hosted):
    """Replays what a run told; files that it changed are as they are.

    Args:
        runners: Whose recordings it can replay, by name.
    """

    name = "cassette"
    capabilities: frozenset[str] = frozenset(Ability)

    def __init__(self, runners: Mapping[str, Runner]) -> None:
        self._runners = runners

    async def run(
        self,
        host: Host,  # noqa: ARG002 - the interface's; nothing is started
        request: RunnerRequest,
        tell: Callable[[RunnerEvent], Awaitable[None]],
    ) -> RunnerOutcome:
        """Replay."""
        import trio

        options = read_options(self.name, request.options, CassetteOptions)
        place = Path(request.cwd, options.tape)
        entries = await trio.to_thread.run_sync(lambda: list(read_tape(place, request)))
        request = msgspec.structs.replace(request, options=options.options)
        return await self._replay(place, entries, request, tell)

    async def _replay(
        self,
        place: Path,
        entries: list[Entry],
        request: RunnerRequest,
        tell: Callable[[RunnerEvent], Awaitable[None]],
    ) -> RunnerOutcome:
        name = entries[0].runner if entries else None
        runner = self._runners.get(name or "")
        if runner is None:
            raise Invalid(f"{place} is a recording of runner {name!r}, which is not here")
        parser = None if any(entry.outcome for entry in entries) else runner.parser(request)
        stderr: list[str] = []
        for entry in entries:
            if entry.event is not None:
                await tell(entry.event)
            if entry.outcome is not None:
                return entry.outcome
            if entry.err is not None:
                stderr.append(entry.err)
            output = entry.output()
            if parser is not None and output is not None:
                for event in parser.feed(output + b"\n"):
                    await tell(event)
            if parser is not None and entry.exit is not None:
                return parser.finish(entry.exit, "\n".join(stderr))
        raise Invalid(f"{place} has no end: the recording was broken off")
