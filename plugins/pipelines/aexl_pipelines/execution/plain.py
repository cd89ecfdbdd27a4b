"""The plain forms of the executor's ports: what a run has where the rest of the house is not there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from aexl.api import Runner, StepType
from aexl.api.ids import uuid7
from aexl.api.trees import FileChange, MergedSnapshot
from aexl.api.work import ObjectId
from aexl.errors import NotFound, Unavailable
from aexl_pipelines.journal.records import Gate, OnGate, RunBegun, Verdict
from aexl_pipelines.language.parts import Budget
from aexl_pipelines.language.problems import suggest

if TYPE_CHECKING:
    from aexl_pipelines.execution.ports import Proposal, Question, RunGovernor


class ClosedGates:
    """Gates where nobody is: ``on_gate`` answers, and without it every gate fails closed."""

    def __init__(self, on_gate: OnGate | None = None) -> None:
        self._on_gate = on_gate

    @property
    def answerable(self) -> bool:
        """Whether the option answers."""
        return self._on_gate in {"approve", "reject"}

    async def ask(self, gate: Gate) -> Verdict:
        """Answer with the option.

        Raises:
            Unavailable: If there is none, or it is ``fail``.
        """
        if self._on_gate in {None, "fail"}:
            raise Unavailable(
                f"the step {gate.step!r} asks a person ({gate.kind}), and nobody can answer here: "
                "say --on-gate approve or --on-gate reject, or run it where somebody can"
            )
        return Verdict(choice="approve" if self._on_gate == "approve" else "reject", by="option")


class NoTrees:
    """No snapshots: what has changed is not known."""

    copies = False

    async def capture(self, folder: Path, message: str) -> ObjectId | None:  # noqa: ARG002 - the port's signature
        """Return nothing."""
        return None

    async def changed(self, before: ObjectId, after: ObjectId) -> Sequence[FileChange]:  # noqa: ARG002 - the port's
        """Return nothing."""
        return ()

    async def diff_text(self, before: ObjectId, after: ObjectId) -> str:  # noqa: ARG002 - the port's signature
        """Return nothing."""
        return ""

    async def copy(self, snapshot: ObjectId, folder: Path) -> None:
        """Refuse.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"there are no snapshots here: {snapshot[:12]} cannot be written to {folder}")

    async def join(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:  # noqa: ARG002 - the port's
        """Refuse.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"there are no snapshots here: {theirs[:12]} cannot be merged")

    async def question(self, merged: MergedSnapshot, ours: ObjectId, theirs: ObjectId) -> Question:  # noqa: ARG002 - the port's
        """Refuse.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"there are no snapshots here: {theirs[:12]} cannot be merged")

    async def settle(self, merged: MergedSnapshot, ours: ObjectId, theirs: ObjectId, verdict: Verdict) -> ObjectId:  # noqa: ARG002 - the port's
        """Refuse.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"there are no snapshots here: {theirs[:12]} cannot be merged")

    async def discard(self, folder: Path) -> None:
        """Do nothing: there are no copies."""

    async def keep(self, run: str, snapshots: Sequence[ObjectId]) -> None:
        """Do nothing: there is nothing to keep."""

    async def restore(self, snapshot: ObjectId, folder: Path, *, force: bool = False) -> None:  # noqa: ARG002 - the port's
        """Refuse.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"there are no snapshots here: {folder} cannot be made {snapshot[:12]}")


class NoGovernor:
    """Nobody governs: steps use what is logged in on this machine."""

    def run(self, begun: RunBegun, budget: Budget | None) -> AbstractAsyncContextManager[RunGovernor | None]:  # noqa: ARG002 - the port's
        """Govern nothing."""
        return _Ungoverned(begun)


class _Ungoverned:
    def __init__(self, begun: RunBegun) -> None:
        self._begun = begun

    async def __aenter__(self) -> None:
        if self._begun.options.govern:
            raise Unavailable("--govern needs a server with a ledger, and there is none")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class NoProposals:
    """Nobody can change pipeline files."""

    async def prepare(self, file: Path, answer: str) -> Proposal:  # noqa: ARG002 - the port's signature
        """Refuse.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"nothing here can change {file}")

    async def apply(self, proposal: Proposal) -> None:
        """Refuse.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"nothing here can change {proposal.file}")


class KnownAgents:
    """Runners and step types by name, as the host has them."""

    def __init__(
        self,
        runners: Mapping[str, Runner],
        step_types: Mapping[str, StepType] | None = None,
        options: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        self._runners = runners
        self._step_types = step_types or {}
        self._options = options or {}

    def runner(self, name: str) -> Runner:
        """Return a runner."""
        found = self._runners.get(name)
        if found is None:
            raise NotFound(f"there is no runner {name!r}; {suggest(name, self._runners) or self._names()}")
        return found

    def options(self, name: str) -> Mapping[str, object]:
        """Return a runner's options."""
        return self._options.get(name, {})

    def _names(self) -> str:
        return "there are " + ", ".join(sorted(self._runners))

    def runners(self) -> Sequence[Runner]:
        """Return all runners."""
        return tuple(self._runners.values())

    def step_type(self, name: str) -> StepType:
        """Return a step type."""
        found = self._step_types.get(name)
        if found is None:
            hint = suggest(name, self._step_types)
            raise NotFound(f"there is no step type {name!r}" + (f"; {hint}" if hint else "; a plugin would offer it"))
        return found


class WallClock:
    """The machine's clock, UUIDs of version 7, and real chance."""

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def identify(self) -> str:
        """Return a new id."""
        return uuid7()

    def random(self) -> float:
        """Return a number by chance."""
        import random

        return random.random()  # noqa: S311 - spreads retries, guards nothing
