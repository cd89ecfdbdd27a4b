"""``aexl pipeline stdio``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from aexl.api import Host, Session
from aexl.api.ids import uuid7
from aexl_pipelines.cli.driving import CANCELLED, make_ports, until_signal
from aexl_pipelines.cli.opening import load
from aexl_pipelines.cli.options import Wanted, with_run_options
from aexl_pipelines.cli.root import PIPELINE, app, say_aside
from aexl_pipelines.execution.passthrough import load_passthrough
from aexl_pipelines.journal.folders import runs_folder
from aexl_pipelines.language.discovery import choose
from aexl_pipelines.language.inputs import bind_inputs
from aexl_pipelines.language.loading import Loaded

if TYPE_CHECKING:
    from aexl_pipelines.execution.ports import Governor, Ports
    from aexl_pipelines.execution.requests import RunRequest, RunResult
    from aexl_pipelines.journal.records import Progress, Record, RunOptions
    from aexl_pipelines.serving.stdio import Conversation

_MESSAGE: Final[Any] = typer.Option(
    None, "--message", "-m", metavar="TEXT", help="The only message; ends after its turn."
)
_STREAM: Final[Any] = typer.Option(False, "--stream", help="Also what agents say and do while they work.")


@app.command(
    epilog="Examples: aexl pipeline stdio --stream  ·  aexl pipeline stdio -m 'Fix the build'  ·  "
    "echo 'Fix the build' | aexl pipeline stdio"
)
@with_run_options(without=("headless", "lines", "quiet", "plain"))
def stdio(
    ctx: typer.Context,
    message: str = _MESSAGE,
    stream: bool = _STREAM,
    pipeline: str = PIPELINE,
    *,
    wanted: Wanted,
) -> None:
    """Run a pipeline for one message after the other, for programs: a JSON object a line, in and out, as ail does.

    A line that is no object is a message. Budget and timeout are each turn's own. Ends with the input, and then
    with 0; with --message as the turn would.
    """
    from aexl_pipelines.governing.opening import WITHOUT, open_governor

    session: Session = ctx.obj
    options = wanted.options(once=True)
    path = choose(pipeline, Path.cwd(), session.home)
    loaded = load_passthrough(Path.cwd()) if path is None else load(session, path)
    inputs = bind_inputs(loaded.unwrap().inputs, wanted.inputs)
    governor = open_governor(session, agent=wanted.agent, govern=wanted.govern, say=say_aside)

    async def main(host: Host) -> int:
        return await _talk(session, host, governor, loaded, inputs, options, message, stream=stream)

    code = session.run(main, without=WITHOUT)
    if code:
        raise typer.Exit(code)


async def _talk(
    session: Session,
    host: Host,
    governor: Callable[[Host], Governor],
    loaded: Loaded,
    inputs: Mapping[str, object],
    options: RunOptions,
    message: str | None,
    *,
    stream: bool,
) -> int:
    from aexl_pipelines.execution.requests import RunRequest
    from aexl_pipelines.gates.queue import FileGates
    from aexl_pipelines.serving.holding import Brake, HeldGovernor
    from aexl_pipelines.serving.stdio import Conversation, Desk

    desk, brake = Desk(), Brake()
    gates = FileGates(runs_folder(session.home), on_gate=options.on_gate, answerer=desk)
    ports = make_ports(session, host, (), gates, HeldGovernor(governor(host), brake))
    request = RunRequest(project=Path.cwd(), inputs=inputs, options=options)
    pipeline = loaded.unwrap()
    conversation = Conversation(
        _Turns(host, loaded, request, ports),
        desk,
        steps=[step.id for step in pipeline.steps],
        source=pipeline.file if pipeline.folder is not None else None,
        stream=stream,
        hold=brake.hold,
        identify=uuid7,
    )
    code = await until_signal(lambda: _hold(conversation, message))
    return CANCELLED if code is None else code


async def _hold(conversation: Conversation, message: str | None) -> int:
    from aexl_pipelines.serving.reading import LineReader
    from aexl_pipelines.serving.stdio import LONGEST_LINE

    await conversation.hold_it(LineReader(sys.stdin.fileno(), LONGEST_LINE).next, _Output(), message)
    return conversation.exit_code if message is not None else 0


class _Turns:
    """Runs turns with the executor; each goes on in the session of the one before."""

    def __init__(self, host: Host, loaded: Loaded, request: RunRequest, ports: Ports) -> None:
        self._host = host
        self._loaded = loaded
        self._request = request
        self._ports = ports
        self._last: str | None = None

    async def run(self, prompt: str, run: str, told: Callable[[str, Record | Progress], None]) -> RunResult:
        """Run one turn."""
        from aexl_pipelines.execution.running import run_pipeline

        request = replace(self._request, prompt=prompt, run=run, follows=self._last)
        ports = replace(self._ports, observers=(*self._ports.observers, _Observer(told)))
        try:
            return await run_pipeline(self._host, self._loaded, request, ports)
        finally:
            if (runs_folder(self._host.data_dir) / run).is_dir():  # not one that could not even begin
                self._last = run


class _Observer:
    def __init__(self, told: Callable[[str, Record | Progress], None]) -> None:
        self.see = told


class _Output:
    async def write(self, data: bytes) -> None:
        """Write a line, and let whoever reads have it at once."""
        import trio

        # Abandoned when the program is told to end while nobody reads.
        await trio.to_thread.run_sync(_write, data, abandon_on_cancel=True)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
