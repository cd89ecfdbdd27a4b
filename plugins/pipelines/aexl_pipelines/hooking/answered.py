"""A pipeline whose first answer is there already: what the executor is given for a turn of a person's own session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

import msgspec

from aexl.api import Host, ObjectId, ProcessSpec, Runner, RunnerParser, StepType
from aexl.api.runners import Ability, RunnerEvent, RunnerOutcome, RunnerRequest
from aexl.errors import Invalid
from aexl_pipelines.execution.ports import Agents, Gates, Trees
from aexl_pipelines.journal.records import Gate, Verdict
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.model import Pipeline, PromptBody, Step
from aexl_pipelines.language.parts import Prompt
from aexl_pipelines.language.problems import Place
from aexl_pipelines.language.templates import parse_template

SESSION: Final = "session"
"""The runner of the invocation: the person's own session."""

_INVOCATION: Final = "invocation"


class AnsweredRunner:
    """The runner ``session``: says what the person's agent has said."""

    name = SESSION
    capabilities = frozenset(ability.value for ability in Ability)

    def __init__(self, answer: str, session: str) -> None:
        self._answer = answer
        self._session = session
        self.asked = False

    def launch(self, request: RunnerRequest) -> ProcessSpec:  # noqa: ARG002 - the interface's signature
        """Start nothing.

        Raises:
            Invalid: Always.
        """
        raise Invalid("the runner session starts no program")

    def parser(self, request: RunnerRequest) -> RunnerParser:  # noqa: ARG002 - the interface's signature
        """Read nothing.

        Raises:
            Invalid: Always.
        """
        raise Invalid("the runner session has no output to read")

    async def run(
        self,
        host: Host,  # noqa: ARG002 - the interface's signature
        request: RunnerRequest,
        tell: Callable[[RunnerEvent], Awaitable[None]],  # noqa: ARG002 - likewise
    ) -> RunnerOutcome:
        """Return the answer."""
        self.asked = True
        structured: object = None
        if request.schema is not None:
            try:
                structured = msgspec.json.decode(self._answer)
            except msgspec.DecodeError:
                structured = None
        return RunnerOutcome(
            status="completed", text=self._answer, structured=structured, session=self._session or None
        )


class SessionAgents:
    """``Agents`` with the runner ``session`` besides."""

    def __init__(self, agents: Agents, session: AnsweredRunner) -> None:
        self._agents = agents
        self._session = session

    def runner(self, name: str) -> Runner:
        """Return a runner."""
        return self._session if name == SESSION else self._agents.runner(name)

    def options(self, name: str) -> Mapping[str, object]:
        """Return the options of a runner."""
        return {} if name == SESSION else self._agents.options(name)

    def runners(self) -> Sequence[Runner]:
        """Return all runners."""
        return self._agents.runners()

    def step_type(self, name: str) -> StepType:
        """Return what ``use:`` means."""
        return self._agents.step_type(name)


class BasedTrees:
    """``Trees`` in which the files, until the session has spoken, are those from before the person asked."""

    def __init__(self, trees: Trees, base: ObjectId, session: AnsweredRunner) -> None:
        self._trees = trees
        self._base = base
        self._session = session

    async def capture(self, folder: Path, message: str) -> ObjectId | None:
        """Return a snapshot of a folder."""
        return await self._trees.capture(folder, message) if self._session.asked else self._base

    def __getattr__(self, name: str) -> object:
        return getattr(self._trees, name)


class WaitingGates:
    """``Gates`` whose questions wait so many seconds for an answer from elsewhere, and say who answered."""

    def __init__(self, gates: Gates, wait: float) -> None:
        self._gates = gates
        self._wait = wait
        self.unanswered: Gate | None = None

    @property
    def answerable(self) -> bool:
        """Whether somebody can answer."""
        return self._gates.answerable

    async def ask(self, gate: Gate) -> Verdict:
        """Return the answer."""
        if self._wait and gate.timeout is None:
            gate = msgspec.structs.replace(gate, timeout=self._wait)
        verdict = await self._gates.ask(gate)
        if verdict.choice == "reject" and verdict.by in {"nobody", "timeout"}:
            self.unanswered = gate
        return verdict


def based(trees: Trees, base: ObjectId | None, session: AnsweredRunner) -> Trees:
    """Return trees that begin with a snapshot, where there is one."""
    return trees if base is None else cast("Trees", BasedTrees(trees, base, session))


def as_answered(loaded: Loaded) -> Loaded:
    """Return a pipeline whose invocation is the person's own session; everything after it is as it was."""
    pipeline = loaded.unwrap()
    return replace(loaded, pipeline=_answered(pipeline))


def _answered(pipeline: Pipeline) -> Pipeline:
    first = pipeline.steps[0] if pipeline.steps else None
    if first is not None and first.id == _INVOCATION:
        own = msgspec.structs.replace(first, runner=SESSION, model=None, cache=False, retry=None, resume=None)
        return msgspec.structs.replace(pipeline, steps=(own, *pipeline.steps[1:]))
    step = Step(
        id=_INVOCATION,
        path=_INVOCATION,
        runner=SESSION,
        body=PromptBody(prompt=Prompt(template=parse_template("{{ step.invocation.prompt }}"))),
        place=Place(pipeline.file or "-", 1, 1),
    )
    return msgspec.structs.replace(pipeline, steps=(step, *pipeline.steps))
