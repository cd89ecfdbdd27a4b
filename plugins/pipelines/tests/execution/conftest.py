"""Runs of small pipelines with the real parts: real journals, real processes, and runners that need no model."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from trio.testing import MockClock

from aexl.api import StepType
from aexl.testing.host import FakeHost
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.execution.ports import ClosedGates, KnownAgents, Ports
from aexl_pipelines.execution.requests import RunRequest, RunResult
from aexl_pipelines.execution.running import fork_run, resume_run, run_pipeline
from aexl_pipelines.journal.folders import read_records
from aexl_pipelines.journal.records import Gate, Progress, Record, RunOptions, StepEnded, Verdict
from aexl_pipelines.language.loading import Loaded, load_file
from aexl_pipelines.language.reader import Recorder
from aexl_pipelines.language.skills import SkillFinder
from aexl_pipelines.runners.table import runners

ENVIRON = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


class CountingClock:
    """A second for each look; ids that count."""

    def __init__(self) -> None:
        self._seconds = itertools.count(1_700_000_000)
        self._ids = itertools.count(1)

    def now(self) -> float:
        return float(next(self._seconds))

    def identify(self) -> str:
        return f"id-{next(self._ids):08}"

    def random(self) -> float:
        return 0.5


class Heard:
    """What an observer has heard, with the run that it is of."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Record | Progress]] = []

    def see(self, run: str, seen: Record | Progress) -> None:
        self.seen.append((run, seen))


class ScriptedGates:
    """Gates that answer in order; what is asked beyond that is an error of the test."""

    answerable = True

    def __init__(self, *verdicts: Verdict) -> None:
        self.asked: list[Gate] = []
        self._verdicts = list(verdicts)

    async def ask(self, gate: Gate) -> Verdict:
        self.asked.append(gate)
        return self._verdicts.pop(0)


@dataclass
class Workshop:
    """A project's folder, a home, and everything that a run needs."""

    project: Path
    host: FakeHost
    clock: CountingClock = field(default_factory=CountingClock)
    heard: Heard = field(default_factory=Heard)
    stub: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    step_types: Mapping[str, StepType] = field(default_factory=dict)
    changes: dict[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRON))

    def write(self, text: str, name: str = ".aexl.yaml") -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self, path: Path, known: Mapping[str, str] | None = None) -> Loaded:
        files = DiskFiles(self.project, self.project)
        return load_file(path, files if known is None else Recorder(files, known), SkillFinder())

    def ports(self, **changes: object) -> Ports:
        named = {runner.name: runner for runner in runners()}
        options = {"stub": self.stub, **self.options}
        ports = Ports(
            agents=KnownAgents(named, self.step_types, options),
            observers=[self.heard],
            gates=ClosedGates(),
            clock=self.clock,
            load=self.load,
            environ=self.environ,
        )
        return replace(ports, **{**self.changes, **changes})  # type: ignore[arg-type]  # fields of Ports

    async def run(
        self,
        text: str | Path,
        prompt: str = "",
        *,
        inputs: Mapping[str, object] | None = None,
        options: RunOptions | None = None,
        **changes: object,
    ) -> RunResult:
        """Run a pipeline with the stub, unless the options say otherwise."""
        loaded = self.load(text if isinstance(text, Path) else self.write(text))
        request = RunRequest(
            project=self.project, prompt=prompt, inputs=inputs or {}, options=options or RunOptions(runner="stub")
        )
        return await run_pipeline(self.host, loaded, request, self.ports(**changes))

    async def resume(self, run: str, **rest: object) -> RunResult:
        return await resume_run(self.host, run, self.ports(), **rest)  # type: ignore[arg-type]  # its own arguments

    async def fork(self, run: str, **rest: object) -> RunResult:
        return await fork_run(self.host, run, self.ports(), **rest)  # type: ignore[arg-type]  # its own arguments

    def records(self, result: RunResult) -> Sequence[Record]:
        return [written.record for written in read_records(result.folder)]

    def ended(self, result: RunResult) -> dict[str, StepEnded]:
        """Return the steps' ends by their addresses."""
        return {record.step: record for record in self.records(result) if isinstance(record, StepEnded)}

    def statuses(self, result: RunResult) -> dict[str, str]:
        return {step: ended.status for step, ended in self.ended(result).items()}


def _make(folder: Path) -> Workshop:
    project = folder / "project"
    project.mkdir()
    return Workshop(project=project, host=FakeHost(folder / "home"))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return _make(tmp_path)


@pytest.fixture(scope="session")
def make_workshop() -> Callable[[Path], Workshop]:
    """Make one in a folder."""
    return _make


@pytest.fixture
def scripted() -> Callable[..., ScriptedGates]:
    return ScriptedGates


@pytest.fixture
def patient_clock() -> MockClock:
    """A clock that jumps over waits, but not before the journal's thread has had time to write."""
    return MockClock(autojump_threshold=0.1)
