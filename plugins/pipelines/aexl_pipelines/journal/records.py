"""What a run's journal is made of, and what everybody who watches a run sees. Pure.

Every record has ``at``, in Unix seconds; money is nano-dollars, times are seconds.
``step`` is the *address* of one instance of a step: the step's path, with the turn
(counted from 1) behind each loop that it is in, as in ``loop#2::fix`` or
``each#3::check::then::0``. Where an address ends with a turn, that whole turn is
meant. Secrets are masked before a record is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from aexl.api.money import Usage
from aexl.api.runners import RunnerError, RunnerEvent
from aexl.api.work import ObjectId
from aexl_pipelines.journal.done import Done, ToolUsed
from aexl_pipelines.journal.options import RunOptions
from aexl_pipelines.journal.questions import Choice, Gate, GateKind, OnGate, Verdict
from aexl_pipelines.journal.totals import total, total_usage

__all__ = [
    "EXIT_CODES",
    "AttemptEnded",
    "BranchTaken",
    "ChildBegun",
    "Choice",
    "Done",
    "Forked",
    "Gate",
    "GateDecided",
    "GateKind",
    "GateOpened",
    "LoopSet",
    "LoopTurn",
    "Merged",
    "Noted",
    "OnGate",
    "PipelineReloaded",
    "Progress",
    "Proposed",
    "Record",
    "RunBegun",
    "RunEnded",
    "RunOptions",
    "RunResumed",
    "RunStatus",
    "Seen",
    "StepBegun",
    "StepEnded",
    "StepLink",
    "StepStatus",
    "ToolUsed",
    "Verdict",
    "total",
    "total_usage",
]

StepStatus = Literal["completed", "skipped", "failed", "timeout", "cancelled", "rejected"]
"""How a step ended; ``rejected`` at a gate."""

RunStatus = Literal["completed", "failed", "aborted", "rejected", "timeout", "denied", "cancelled"]
"""How a run ended: ``aborted`` by its own word, ``denied`` by a budget or a policy."""


EXIT_CODES: Mapping[RunStatus, int] = {
    "completed": 0,
    "failed": 1,
    "aborted": 4,
    "rejected": 5,
    "timeout": 6,
    "denied": 7,
    "cancelled": 130,
}
"""What ``aexl pipeline run`` ends with; ``break`` is completed."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What all records have in common."""

    at: float


class StepLink(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a run."""

    run: str
    step: str


class RunBegun(Seen, frozen=True, kw_only=True, tag="run_begun"):
    """A run has begun; the first record of every journal.

    Attributes:
        project: The folder in which the run works, as an absolute path.
        file: The pipeline file as people call it; ``None`` for the passthrough pipeline.
        path: The file's absolute path, where it has one.
        name: Which of the file's named pipelines runs; ``None`` for its main one.
        digest: SHA-256 of the pipeline that runs, as the run's folder keeps it.
        parent: The step that called this run.
        origin: Where this run was forked off: what is before that step was taken over.
        agent: The ledger's agent that pays for it, where it is governed.
        before: The snapshot of the files when it began.
        depth: How many runs are above this one.
        follows: The run whose conversation this one goes on with: its first prompt is asked in that one's session.
        tree: The mark of the programs that it starts, for ``Host.end_remains``; that of its caller where it has one.
    """

    run: str
    project: str
    file: str | None
    path: str | None = None
    name: str | None = None
    digest: str = ""
    prompt: str = ""
    inputs: Mapping[str, object] = {}
    options: RunOptions = RunOptions()
    parent: StepLink | None = None
    origin: StepLink | None = None
    agent: str | None = None
    before: ObjectId | None = None
    depth: int = 0
    follows: str | None = None
    tree: str = ""
    aexl: str = ""


class RunResumed(Seen, frozen=True, kw_only=True, tag="run_resumed"):
    """A run that was broken off goes on, in another process.

    Attributes:
        redo: Addresses whose records since ``since`` do not count any more: they run again.
        since: The number of the first record that may not count any more.
        digest: Of the pipeline that runs from here on.
        options: Those that count from here on.
        tree: Likewise.
    """

    redo: tuple[str, ...] = ()
    since: int | None = None
    from_step: str | None = None
    digest: str = ""
    options: RunOptions = RunOptions()
    agent: str | None = None
    tree: str = ""


class PipelineReloaded(Seen, frozen=True, kw_only=True, tag="pipeline_reloaded"):
    """The pipeline was read again (``reload_self``): later steps are those of the new one."""

    step: str
    digest: str


class StepBegun(Seen, frozen=True, kw_only=True, tag="step_begun"):
    """A step has begun.

    Attributes:
        kind: ``prompt``, ``shell``, ``do_while`` and so on, as in ``planning``; an action by its own name.
        text: What the agent was asked, or the line of shell with its values' names.
        before: The snapshot of the files as they were.
        title: The step's ``message``.
    """

    step: str
    kind: str
    runner: str | None = None
    model: str | None = None
    text: str = ""
    before: ObjectId | None = None
    title: str = ""


class AttemptEnded(Seen, frozen=True, kw_only=True, tag="attempt_ended"):
    """One attempt of a step failed, and another one follows after ``wait`` seconds."""

    step: str
    attempt: int
    status: StepStatus
    error: RunnerError | None = None
    usage: Usage | None = None
    cost: int | None = None
    wait: float = 0.0


class BranchTaken(Seen, frozen=True, kw_only=True, tag="branch_taken"):
    """A branch of ``on_result`` fitted.

    Attributes:
        number: Counted from 1.
        why: The matcher in words.
        target: What ``break`` and the pipeline are aimed at.
    """

    step: str
    number: int
    action: str
    why: str = ""
    message: str = ""
    target: str | None = None


class GateOpened(Seen, frozen=True, kw_only=True, tag="gate_opened"):
    """A step waits for a person."""

    step: str
    gate: Gate


class GateDecided(Seen, frozen=True, kw_only=True, tag="gate_decided"):
    """Somebody, or something, has answered."""

    step: str
    gate: str
    kind: GateKind
    verdict: Verdict


class LoopTurn(Seen, frozen=True, kw_only=True, tag="loop_turn"):
    """A turn of a loop begins; ``turn`` counts from 1, ``total`` is the most there can be."""

    step: str
    turn: int
    total: int
    item: object = None


class LoopSet(Seen, frozen=True, kw_only=True, tag="loop_set"):
    """What a ``for_each`` goes over was worked out: a resumed run goes over the same."""

    step: str
    items: tuple[object, ...]


class ChildBegun(Seen, frozen=True, kw_only=True, tag="child_begun"):
    """A step calls another pipeline, which is a run of its own with a journal of its own."""

    step: str
    run: str
    file: str | None = None
    name: str | None = None


class Forked(Seen, frozen=True, kw_only=True, tag="forked"):
    """A branch that may write works in a copy of the files."""

    step: str
    folder: str
    base: ObjectId


class Merged(Seen, frozen=True, kw_only=True, tag="merged"):
    """What a branch made of its copy is part of the files again; ``conflicts`` are paths."""

    step: str
    base: ObjectId
    theirs: ObjectId
    snapshot: ObjectId
    conflicts: tuple[str, ...] = ()


class Noted(Seen, frozen=True, kw_only=True, tag="noted"):
    """Something that a person should know and that changes nothing."""

    text: str
    step: str | None = None


class StepEnded(Done, frozen=True, kw_only=True, tag="step_ended", omit_defaults=True):
    """A step has ended: it is never run again, unless somebody says so. Usage, cost and turns are those of all attempts.

    Attributes:
        before: The snapshot of the files before it.
        after: And after it.
        changed: Paths of files that differ between the two.
        duration: Seconds, waiting for people included.
        tolerated: It failed, and the run goes on all the same (``on_error: continue``).
        quiet: ``display: false``.
    """

    at: float
    step: str
    kind: str
    status: StepStatus
    attempts: int = 1
    before: ObjectId | None = None
    after: ObjectId | None = None
    changed: tuple[str, ...] = ()
    duration: float = 0.0
    tolerated: bool = False
    quiet: bool = False


class Proposed(Seen, frozen=True, kw_only=True, tag="proposed"):
    """A step proposed another pipeline file; ``applied`` says whether a person wanted it.

    Attributes:
        patch: A unified diff.
        digest: SHA-256 of the file that the patch is made for.
    """

    step: str
    file: str
    patch: str
    digest: str = ""
    applied: bool = False
    reason: str = ""


class RunEnded(Seen, frozen=True, kw_only=True, tag="run_ended"):
    """A run has ended; the last record, unless somebody resumes it.

    Attributes:
        step: The step that decided it, where one did.
        response: The run's last answer.
        cost: Of all its steps and child runs, at the runners' own prices.
        booked: What the ledger has booked, where it is governed.
        changed: Paths of files that differ from the run's begin.
    """

    status: RunStatus
    exit_code: int
    message: str = ""
    step: str | None = None
    response: str = ""
    outputs: Mapping[str, object] = {}
    usage: Usage | None = None
    cost: int | None = None
    booked: int | None = None
    turns: int | None = None
    before: ObjectId | None = None
    after: ObjectId | None = None
    changed: tuple[str, ...] = ()
    duration: float = 0.0


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """What an agent does at the moment; seen by observers, never journaled. A program's output comes as ``Text``."""

    step: str
    event: RunnerEvent


Record: TypeAlias = (
    RunBegun
    | RunResumed
    | PipelineReloaded
    | StepBegun
    | AttemptEnded
    | BranchTaken
    | GateOpened
    | GateDecided
    | LoopTurn
    | LoopSet
    | ChildBegun
    | Forked
    | Merged
    | Noted
    | StepEnded
    | Proposed
    | RunEnded
)
