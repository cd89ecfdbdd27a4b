"""What a run is asked for, and what came of it. Pure.

The functions that go with them are in ``execution.running``::

    run_pipeline(host, loaded, request, ports) -> RunResult
    resume_run(host, run, ports, *, from_step=None, options=None, inputs=None) -> RunResult
    fork_run(host, run, ports, *, from_step, prompt=None, options=None, inputs=None, loaded=None, restore=False)
        -> RunResult
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aexl.api.money import Usage
from aexl_pipelines.journal.records import RunOptions, RunStatus, StepLink


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run of a pipeline.

    Attributes:
        project: The folder in which it works.
        inputs: Values by name, bound and checked (``inputs.bind_inputs``).
        run: The run's id; a new one where it is ``None``.
        name: One of the file's named pipelines; the main one where it is ``None``.
        parent: The step that calls it, in another run.
        follows: A run whose conversation it goes on with, where its first prompt's runner can resume sessions.
    """

    project: Path
    prompt: str = ""
    inputs: Mapping[str, object] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    run: str | None = None
    name: str | None = None
    parent: StepLink | None = None
    follows: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What came of a run.

    Attributes:
        folder: Where its journal is.
        response: Its last answer.
        cost: Nano-dollars at the runners' own prices, all steps and child runs together.
        booked: What the ledger has booked, where it was governed.
        duration: Seconds.
    """

    run: str
    folder: Path
    status: RunStatus
    exit_code: int
    message: str = ""
    response: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)
    usage: Usage | None = None
    cost: int | None = None
    booked: int | None = None
    turns: int | None = None
    duration: float = 0.0
