"""Records as runs make them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from aexl_pipelines.journal.records import (
    Gate,
    GateDecided,
    GateOpened,
    RunBegun,
    RunEnded,
    StepBegun,
    StepEnded,
    Verdict,
)


class Told:
    """Makes records, each a second after the one before."""

    def __init__(self) -> None:
        self.at = 100.0

    def _now(self) -> float:
        self.at += 1
        return self.at

    def run(self, run: str = "r1", **fields: Any) -> RunBegun:
        return RunBegun(at=self._now(), run=run, project="/work", file=".aexl.yaml", **fields)

    def begin(self, step: str, kind: str = "prompt", **fields: Any) -> StepBegun:
        return StepBegun(at=self._now(), step=step, kind=kind, **fields)

    def end(self, step: str, kind: str = "prompt", status: Any = "completed", **fields: Any) -> StepEnded:
        return StepEnded(at=self._now(), step=step, kind=kind, status=status, **{"duration": 1.0, **fields})

    def gate(self, step: str, run: str = "r1", **fields: Any) -> GateOpened:
        gate = Gate(id="g1", run=run, step=step, kind="pause", text="Shall I?", **fields)
        return GateOpened(at=self._now(), step=step, gate=gate)

    def decide(self, step: str, **fields: Any) -> GateDecided:
        verdict = Verdict(**{"choice": "approve", "by": "cli", **fields})
        return GateDecided(at=self._now(), step=step, gate="g1", kind="pause", verdict=verdict)

    def over(self, status: Any = "completed", exit_code: int = 0, **fields: Any) -> RunEnded:
        return RunEnded(at=self._now(), status=status, exit_code=exit_code, **{"duration": 9.0, **fields})


class Terminal(io.StringIO):
    """What a terminal has been sent."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()
