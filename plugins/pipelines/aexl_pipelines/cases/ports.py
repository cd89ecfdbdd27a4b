"""The executor's ports, as a case has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import trio

from aexl.api import Host, Runner, StepType
from aexl.errors import Invalid
from aexl_pipelines.cases.answering import ScriptedStub
from aexl_pipelines.cases.loading import STUB
from aexl_pipelines.cases.taping import ReplayingRunner
from aexl_pipelines.execution.brisk import BriskHost
from aexl_pipelines.execution.ports import Agents, Proposal, Proposals


class ScratchHost(BriskHost):
    """The host, with a home of its own: runs, homes and caches of a case are nobody else's."""

    def __init__(self, host: Host, home: Path) -> None:
        super().__init__(host, "")  # nobody goes on with the run of a trial
        self._home = home

    @property
    def data_dir(self) -> Path:
        """The scratch home."""
        return self._home


class CaseAgents:
    """The port ``Agents``: the host's, but the stub knows its lines, and a tape stands in for everybody."""

    def __init__(
        self, agents: Agents, stub: ScriptedStub, tape: Path | None, record: Callable[[Runner], Runner] | None
    ) -> None:
        self._agents = agents
        self._stub = stub
        self._tape = tape
        self._record = record

    def runner(self, name: str) -> Runner:
        """Return who answers as this runner."""
        if name == STUB:
            return self._stub
        found = self._agents.runner(name)
        if self._tape is None:
            return found
        if self._record is not None:
            return self._record(found)
        return ReplayingRunner(found, self._tape, {each.name: each for each in self.runners()})

    def options(self, name: str) -> Mapping[str, object]:
        """Return a runner's options; the stub has those of its lines."""
        return {} if name == STUB else self._agents.options(name)

    def runners(self) -> Sequence[Runner]:
        """Return all runners."""
        return self._agents.runners()

    def step_type(self, name: str) -> StepType:
        """Return what ``use:`` means."""
        return self._agents.step_type(name)


class UnwrittenProposals:
    """The port ``Proposals``: a change of a pipeline file is checked, and never written."""

    def __init__(self, proposals: Proposals) -> None:
        self._proposals = proposals

    async def prepare(self, file: Path, answer: str) -> Proposal:
        """Read an answer as a change of a file."""
        return await self._proposals.prepare(file, answer)

    async def apply(self, proposal: Proposal) -> None:
        """Say whether it could be written.

        Raises:
            Invalid: If the new text has problems.
        """
        await trio.lowlevel.checkpoint()
        if proposal.problems:
            raise Invalid("; ".join(proposal.problems))
