"""Running cases: each in a scratch folder and a scratch home, several side by side, and what came of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.api import Host, Runner, Snapshots
from aexl.errors import AexlError
from aexl_pipelines.cases import scratch
from aexl_pipelines.cases.answering import Asking, CaseGates, Lines, ScriptedStub
from aexl_pipelines.cases.checking import clipped
from aexl_pipelines.cases.loading import STUB
from aexl_pipelines.cases.model import DECLARED, Trial
from aexl_pipelines.cases.outcome import Outcome, Watcher, values_at_end
from aexl_pipelines.cases.ports import CaseAgents, ScratchHost, UnwrittenProposals
from aexl_pipelines.cases.taping import RecordingRunner
from aexl_pipelines.cases.verdicts import LONGEST_ANSWER, Verdict, blank_verdict, masker_of, verdict_of
from aexl_pipelines.execution.ports import (
    Agents,
    Governor,
    Load,
    NoProposals,
    Ports,
    Proposals,
    WallClock,
)
from aexl_pipelines.execution.requests import RunRequest
from aexl_pipelines.execution.running import run_pipeline
from aexl_pipelines.journal.records import EXIT_CODES, RunEnded, RunOptions
from aexl_pipelines.language.checking import names_at_end
from aexl_pipelines.trees.keeping import owner
from aexl_pipelines.trees.ports import trees_of

TIMEOUT: Final = 300.0
"""Seconds of a run whose case does not say it."""
_CLEAN_UP: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all trials of a command share.

    Attributes:
        agents: The host's own.
        governor: Makes the governor of runs that ask real agents, of the host that they have.
        proposals: Read changes of pipeline files; they are never written.
        keep: Leave the scratch folders where they are.
        environ: The machine's environment.
    """

    host: Host
    agents: Agents
    folder: Path
    load: Load | None = None
    governor: Callable[[Host], Governor] | None = None
    proposals: Proposals = field(default_factory=NoProposals)
    keep: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


async def run_trials(
    trials: Sequence[Trial],
    bench: Bench,
    *,
    jobs: int,
    fail_fast: bool = False,
    tell: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """Run trials, at most ``jobs`` at a time, and return what came of each, in their order.

    Args:
        fail_fast: Once one has failed, begin no other, and cancel those that run.
        tell: Hears of each when it has ended.
    """
    found: dict[int, Verdict] = {}
    waiting = iter(enumerate(trials))

    async def work(scope: trio.CancelScope) -> None:
        for number, trial in waiting:
            verdict = found[number] = await try_it(trial, bench, number)
            tell(verdict)
            if fail_fast and not verdict.held:
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        for _ in range(max(1, min(jobs, len(trials)))):
            nursery.start_soon(work, nursery.cancel_scope)
    for number, trial in enumerate(trials):
        if number not in found:
            found[number] = msgspec.structs.replace(blank_verdict(trial), result="not run")
    return [found[number] for number in range(len(trials))]


async def try_it(trial: Trial, bench: Bench, number: int) -> Verdict:
    """Run one trial, whatever comes of it."""
    if trial.case.skip:
        return msgspec.structs.replace(blank_verdict(trial), result="skipped", message=trial.case.skip)
    folder = bench.folder / f"{number:04d}"
    try:
        verdict = await _Attempt(trial, bench, folder).run()
    except AexlError as error:
        verdict = msgspec.structs.replace(
            blank_verdict(trial), result="error", error=clipped(str(error), LONGEST_ANSWER)
        )
    except OSError as error:
        verdict = msgspec.structs.replace(blank_verdict(trial), result="error", error=f"the scratch folder: {error}")
    if bench.keep:
        return msgspec.structs.replace(verdict, kept=str(folder))
    await trio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
    return verdict


class _Attempt:
    """One run of one trial."""

    def __init__(self, trial: Trial, bench: Bench, folder: Path) -> None:
        self._trial = trial
        self._setup = trial.case.setup
        self._bench = bench
        self._work = folder / "work"
        self._host = ScratchHost(bench.host, folder / "home")
        self._watcher = Watcher()
        self._environ = {**bench.environ, **self._setup.env}

    async def run(self) -> Verdict:
        setup = self._setup
        await trio.to_thread.run_sync(scratch.prepare, self._work, setup.folder, setup.files)
        before = await trio.to_thread.run_sync(scratch.look, self._work)
        ports = self._ports()
        run = ports.clock.identify()
        options = RunOptions(
            once=True,
            timeout=setup.timeout or TIMEOUT,
            budget=setup.budget,
            model=self._trial.model,
            runner=None if self._trial.runner == DECLARED else self._trial.runner,
        )
        request = RunRequest(
            project=self._work, prompt=setup.prompt or "", inputs=self._trial.inputs, options=options, run=run
        )
        try:
            await run_pipeline(self._host, self._trial.loaded, request, ports)
        finally:
            await self._let_go(run)
        masker = await trio.to_thread.run_sync(masker_of, self._trial, self._environ)
        outcome = await self._outcome(before)
        return verdict_of(self._trial, outcome, masker)

    def _ports(self) -> Ports:
        bench, setup = self._bench, self._setup
        gates = CaseGates(Lines(setup.gates), self._watcher, answerable=bool(setup.gates))
        tape = setup.tape

        def record(runner: Runner) -> Runner:
            assert tape is not None
            return RecordingRunner(runner, tape, gates.decide)

        stub = ScriptedStub(Lines(setup.answers))
        ports = Ports(
            agents=CaseAgents(bench.agents, stub, tape, None if self._trial.taped else record),
            observers=(self._watcher, Asking(self._watcher)),
            gates=gates,
            trees=trees_of(self._host),
            clock=WallClock(),
            proposals=UnwrittenProposals(bench.proposals),
            load=bench.load,
            environ=self._environ,
        )
        asks_nobody = self._trial.runner == STUB or self._trial.taped
        if asks_nobody or bench.governor is None:
            return ports
        return replace(ports, governor=bench.governor(self._host))

    async def _let_go(self, run: str) -> None:
        """Forget the snapshots of the run: they are garbage from now on."""
        snapshots = self._host.service(Snapshots)
        if snapshots is not None:
            with trio.move_on_after(_CLEAN_UP, shield=True):
                await snapshots.forget(str(self._work))
                await snapshots.release([owner(each) for each in (run, *self._watcher.children)])

    async def _outcome(self, before: Mapping[str, str]) -> Outcome:
        pipeline = self._trial.loaded.unwrap()
        after = await trio.to_thread.run_sync(scratch.look, self._work)
        wanted = {check.name for check in self._setup.checks if check.subject == "file"}
        texts: dict[str, str | None] = dict.fromkeys(after)
        for name in wanted & after.keys():
            texts[name] = await trio.to_thread.run_sync(scratch.read_text, self._work, name)
        names = names_at_end(pipeline)
        ended = self._watcher.ended
        if ended is None:
            ended = RunEnded(at=0.0, status="failed", exit_code=EXIT_CODES["failed"], message="the run has no end")
        return Outcome(
            ended=ended,
            steps=self._watcher.steps,
            files=texts,
            changed=scratch.changed(before, after),
            names=names,
            values=values_at_end(pipeline, names, self._watcher, self._environ),
        )
