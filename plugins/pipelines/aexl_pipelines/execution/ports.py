"""What the executor needs of the rest of the house, each with a plain form that works without it.

The executor asks; it never knows who answers. Everything that waits is ``async``
and may be cancelled; what must not wait says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aexl.api import Runner, StepType
from aexl.api.governed import Access
from aexl.api.trees import FileChange, MergedSnapshot
from aexl.api.work import ObjectId
from aexl_pipelines.execution.plain import ClosedGates, KnownAgents, NoGovernor, NoProposals, NoTrees, WallClock
from aexl_pipelines.journal.records import Gate, Progress, Record, RunBegun, Verdict
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.parts import Budget

__all__ = [
    "Agents",
    "Clock",
    "ClosedGates",
    "Gates",
    "Governor",
    "KnownAgents",
    "Load",
    "NoGovernor",
    "NoProposals",
    "NoTrees",
    "Observer",
    "Ports",
    "Proposal",
    "Proposals",
    "Question",
    "RunGovernor",
    "Trees",
    "WallClock",
]


class Observer(Protocol):
    """Somebody who watches runs."""

    def see(self, run: str, seen: Record | Progress) -> None:
        """Hear of what happened in a run; records after they are durable, in order.

        Must not wait, must not raise, and what it keeps must have a bound. Hears of a run's child runs too.
        """
        ...


class Gates(Protocol):
    """Where people are asked."""

    @property
    def answerable(self) -> bool:
        """Somebody, or an option, can answer: agents may ask for permissions."""
        ...

    async def ask(self, gate: Gate) -> Verdict:
        """Return the answer, once: the first one counts.

        The gate's timeout and default are kept by whoever plays this. If cancelled, the question is withdrawn;
        asked again with the same id (by a resumed run), an answer that came meanwhile counts.

        Raises:
            Unavailable: If nobody can answer: the run fails, closed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a gate of the kind ``conflict`` shows: for ``Gate.text``, ``content`` (which may be edited) and ``detail``."""

    text: str
    content: str
    detail: Mapping[str, object]


class Trees(Protocol):
    """Snapshots of the files that steps work on. Folders are absolute."""

    @property
    def copies(self) -> bool:
        """Branches that write can be given copies: ``copy`` and ``join`` work."""
        ...

    async def capture(self, folder: Path, message: str) -> ObjectId | None:
        """Return a snapshot of a folder as it is now; ``None`` where nobody keeps snapshots."""
        ...

    async def changed(self, before: ObjectId, after: ObjectId) -> Sequence[FileChange]:
        """Return what differs between two snapshots, by path."""
        ...

    async def diff_text(self, before: ObjectId, after: ObjectId) -> str:
        """Return what differs as a unified diff, bounded in length."""
        ...

    async def copy(self, snapshot: ObjectId, folder: Path) -> None:
        """Write a snapshot's files to a folder that is empty or not there."""
        ...

    async def join(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        """Merge what two branches made of the same files."""
        ...

    async def question(self, merged: MergedSnapshot, ours: ObjectId, theirs: ObjectId) -> Question:
        """Return what a person is asked about the conflicts of a merge."""
        ...

    async def settle(self, merged: MergedSnapshot, ours: ObjectId, theirs: ObjectId, verdict: Verdict) -> ObjectId:
        """Return the snapshot that a person's answer makes of a merge in conflict.

        Raises:
            Invalid: If an edit is not in the form of the question's content; says what is wrong, so that it can be
                asked again.
        """
        ...

    async def discard(self, folder: Path) -> None:
        """Remove a copy and forget it; one that is gone already is no error."""
        ...

    async def keep(self, run: str, snapshots: Sequence[ObjectId]) -> None:
        """Keep snapshots that a run's journal names, until the run itself is removed.

        A capture is garbage as soon as its folder has another one, unless it is kept.
        """
        ...

    async def restore(self, snapshot: ObjectId, folder: Path, *, force: bool = False) -> None:
        """Make a folder's files those of a snapshot.

        Raises:
            Conflict: If work would be lost, and ``force`` is false; nothing has changed.
        """
        ...


class RunGovernor(Protocol):
    """One governed run."""

    @property
    def agent(self) -> str:
        """The ledger's agent of this run."""
        ...

    def step(self, address: str, budget: Budget | None) -> AbstractAsyncContextManager[Access | None]:
        """Give one attempt of a step its way to the server; the token dies when the context is left."""
        ...

    async def booked(self, address: str | None = None) -> int | None:
        """Return what the ledger has booked for a step's address, or for the whole run; nano-dollars."""
        ...

    async def record(self, record: Record) -> None:
        """Put into the ledger what belongs there: called for ``RunBegun``, ``GateDecided`` and ``RunEnded``."""
        ...


class Governor(Protocol):
    """Who governs runs: budgets and tokens of the ledger."""

    def run(self, begun: RunBegun, budget: Budget | None) -> AbstractAsyncContextManager[RunGovernor | None]:
        """Govern a run, the agent of its parent run being its parent; ``None`` for a run that is not governed.

        ``begun.agent`` is set where the run is resumed and had an agent.

        Raises:
            Unavailable: If ``begun.options.govern`` is true and there is no server.
        """
        ...


class Agents(Protocol):
    """Who can be asked to work. Must not wait."""

    def runner(self, name: str) -> Runner:
        """Return a runner.

        Raises:
            NotFound: If there is none of that name; suggests one.
        """
        ...

    def options(self, name: str) -> Mapping[str, object]:
        """Return the options that the configuration has for a runner; see ``RunnerRequest.options``."""
        ...

    def runners(self) -> Sequence[Runner]:
        """Return all runners."""
        ...

    def step_type(self, name: str) -> StepType:
        """Return what ``use:`` means.

        Raises:
            NotFound: If there is none of that name; suggests one.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Another text for a pipeline file.

    Attributes:
        digest: SHA-256 of the file as it is.
        text: What it would be.
        patch: The difference, as a unified diff.
        weakens: What it takes away of what guards the pipeline, in sentences, to be shown before anything else:
            required steps, gates, secrets, budgets. The patch names them at its top as well.
        problems: What is wrong with the new text; such a proposal is shown and not applied.
    """

    file: Path
    digest: str
    text: str
    patch: str
    weakens: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Proposals(Protocol):
    """Changes to the pipeline file itself."""

    async def prepare(self, file: Path, answer: str) -> Proposal:
        """Read an answer (a patch, or a whole file, fenced or not) as a change of a file; nothing is written.

        Raises:
            Invalid: If it is no change of this file.
        """
        ...

    async def apply(self, proposal: Proposal) -> None:
        """Write it, comments kept, at once or not at all.

        Raises:
            Conflict: If the file is not what the proposal was made for.
            Invalid: If the new text has problems.
        """
        ...


class Clock(Protocol):
    """Times and ids of a journal, so that tests know them. Must not wait."""

    def now(self) -> float:
        """Return the Unix time in seconds."""
        ...

    def identify(self) -> str:
        """Return an id that nothing else has, sortable by time."""
        ...

    def random(self) -> float:
        """Return a number from 0 up to 1, for jitter."""
        ...


class Load(Protocol):
    """Reads pipeline files. Blocks: called in a thread."""

    def __call__(self, path: Path, known: Mapping[str, str] | None = None) -> Loaded:
        """Return what a file says; the texts of ``known`` (``Loaded.sources``) are not read anew."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All of them together; what is not given is the plain form.

    Attributes:
        load: Reads further pipeline files; without it, those that were not loaded with the first one are not found.
        environ: The environment that programs and templates get.
    """

    agents: Agents
    observers: Sequence[Observer] = ()
    gates: Gates = field(default_factory=ClosedGates)
    trees: Trees = field(default_factory=NoTrees)
    governor: Governor = field(default_factory=NoGovernor)
    proposals: Proposals = field(default_factory=NoProposals)
    clock: Clock = field(default_factory=WallClock)
    load: Load | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
