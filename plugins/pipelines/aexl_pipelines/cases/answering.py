"""Who answers in a case: a stub that knows its lines, and a person who does.

Which step asks is known from the records: an observer hears of a step's begin in
the task that asks its agent afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Generic, TypeVar

import trio

from aexl.api import Host, Usage
from aexl.api.runners import Asked, Decision, RunnerEvent, RunnerOutcome, RunnerRequest
from aexl.errors import Unavailable
from aexl_pipelines.cases import scratch
from aexl_pipelines.cases.loading import without_turns
from aexl_pipelines.cases.model import Answer, GateAnswer
from aexl_pipelines.cases.outcome import Watcher
from aexl_pipelines.cases.vocabulary import ANY_STEP
from aexl_pipelines.journal.records import AttemptEnded, Gate, Progress, Record, StepBegun, Verdict
from aexl_pipelines.runners.stub import StubRunner

T = TypeVar("T")

_asking: ContextVar[str | None] = ContextVar("asking", default=None)


class Asking:
    """An ``Observer`` that remembers, in each task, which step asks its agent next.

    Args:
        watcher: Knows what steps are called; must hear of everything before this does.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def see(self, run: str, seen: Record | Progress) -> None:
        """Take in who begins. Does not wait."""
        if isinstance(seen, StepBegun | AttemptEnded):
            _asking.set(self._watcher.name_of(run, seen.step))


def asking_step() -> str:
    """Return the step that asks in this task."""
    return _asking.get() or ""


class Lines(Generic[T]):
    """Answers by step: the first, the second and so on; the last one holds on.

    Args:
        known: By address, by path, or ``*`` for any.
    """

    def __init__(self, known: Mapping[str, Sequence[T]]) -> None:
        self._known = known
        self._used: dict[str, int] = {}

    def next(self, step: str) -> T | None:
        """Return the next answer for a step; ``None`` where it has none."""
        path = "/".join(without_turns(part) for part in step.split("/"))
        name = next((each for each in (step, path, ANY_STEP) if self._known.get(each)), None)
        if name is None:
            return None
        several = self._known[name]
        key = name if name != ANY_STEP else f"{ANY_STEP} {path}"
        number = self._used.get(key, 0)
        self._used[key] = number + 1
        return several[min(number, len(several) - 1)]


class ScriptedStub(StubRunner):
    """The runner ``stub`` with the lines of a case."""

    def __init__(self, lines: Lines[Answer]) -> None:
        self._lines = lines

    async def run(
        self, host: Host, request: RunnerRequest, tell: Callable[[RunnerEvent], Awaitable[None]]
    ) -> RunnerOutcome:
        """Answer."""
        answer = self._lines.next(asking_step())
        if answer is None:
            return await super().run(host, request, tell)
        removed = [name for name, text in answer.files.items() if text is None]
        await trio.to_thread.run_sync(_remove, request.cwd, removed)
        return await super().run(host, _with_options(request, answer), tell)


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        scratch.inside(folder, name).unlink(missing_ok=True)


def _with_options(request: RunnerRequest, answer: Answer) -> RunnerRequest:
    import msgspec

    options: dict[str, object] = {
        "files": {name: text for name, text in answer.files.items() if text is not None},
        "seconds": answer.seconds,
        "usage": msgspec.to_builtins(Usage(input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)),
    }
    if answer.text is not None:
        options["answer"] = answer.text
    if answer.cost is not None:
        options["cost"] = answer.cost
    if answer.error is not None:
        options |= {"error": answer.error, "message": answer.message}
    return msgspec.structs.replace(request, options=options)


BY: Final = "case"


class CaseGates:
    """The port ``Gates``: a case's own answers, and no others."""

    def __init__(self, lines: Lines[GateAnswer], watcher: Watcher, *, answerable: bool) -> None:
        self._lines = lines
        self._watcher = watcher
        self._answerable = answerable

    @property
    def answerable(self) -> bool:
        """Whether the case has answers."""
        return self._answerable

    async def ask(self, gate: Gate) -> Verdict:
        """Return the next answer that the case has for the step.

        Raises:
            Unavailable: If it has none.
        """
        await trio.lowlevel.checkpoint()
        name = self._watcher.name_of(gate.run, gate.step)
        answer = self._lines.next(name)
        if answer is None:
            raise Unavailable(
                f"the step {name!r} asks a person ({gate.kind}), and the case has no answer: add it to 'gates:'"
            )
        return Verdict(choice=answer.choice, text=answer.text, reason=answer.reason, by=BY)

    async def decide(self, asked: Asked) -> Decision:
        """Allow an agent a tool, or not, while its run is being recorded."""
        await trio.lowlevel.checkpoint()
        answer = self._lines.next(asking_step())
        if answer is None:
            return Decision(allow=False, reason=f"The case has no answer for {asked.tool}.")
        return Decision(allow=answer.choice != "reject", reason=answer.reason)
