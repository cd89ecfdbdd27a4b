"""From how a run ended to what a CLI is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aexl_pipelines.hooking.dialects import Dialect
from aexl_pipelines.journal.records import Gate, Progress, Record, RunStatus, StepEnded
from aexl_pipelines.live.words import clean, dollars, duration, place

TAIL: Final = 4000
"""Characters of a step's output that an agent is told: its end."""

_MOST: Final = 200
"""Steps whose words are kept."""

_SENT_BACK: Final[frozenset[RunStatus]] = frozenset({"failed", "aborted", "rejected", "timeout"})
"""How a run ends that says something of the agent's work; the rest is for the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of the steps after an answer.

    Attributes:
        step: The step that decided it.
        output: What that step said.
        unanswered: A gate that nobody has answered: it is the person's turn, not the agent's.
    """

    run: str
    status: RunStatus
    message: str = ""
    step: str | None = None
    output: str = ""
    steps: int = 0
    cost: int | None = None
    duration: float = 0.0
    unanswered: Gate | None = None


class LastWords:
    """An ``Observer`` that keeps what the steps of a run have said: their ends, and no more of them than are needed."""

    def __init__(self) -> None:
        self.ended: dict[str, StepEnded] = {}
        self.steps = 0

    def see(self, run: str, seen: Record | Progress) -> None:  # noqa: ARG002 - the port's signature
        """Hear of a record."""
        if isinstance(seen, StepEnded) and seen.runner != "session":
            self.ended[seen.step] = seen
            self.steps += seen.status != "skipped"
            if len(self.ended) > _MOST:
                del self.ended[next(iter(self.ended))]

    def decisive(self, status: RunStatus) -> str | None:
        """Return the step that a run which ended so has ended at."""
        if status == "completed":
            return None
        failed = [each for each in self.ended.values() if each.status not in {"completed", "skipped"}]
        last = failed or list(self.ended.values())
        return last[-1].step if last else None

    def of(self, step: str | None) -> str:
        """Return what a step said; of a step that has said nothing, what the latest one with an output said."""
        ended = self.ended.get(step or "")
        said = _said(ended) if ended is not None else ""
        if not said:
            said = next((text for each in reversed(self.ended.values()) if (text := _said(each))), "")
        said = clean(said).strip()
        return said if len(said) <= TAIL else f"…{said[-TAIL:]}"


def _said(ended: StepEnded) -> str:
    texts = (ended.response,) if ended.response is not None else (ended.stdout, ended.stderr)
    return "\n".join(text for text in texts if text)


def answer(dialect: Dialect, outcome: Outcome, rounds: int, most: int) -> tuple[dict[str, object], int]:
    """Return the hook's answer, and how often the agent has been sent back now.

    Args:
        dialect: Whose hook it is.
        outcome: How the run ended.
        rounds: How often it was sent back before, since the person asked.
        most: How often it may be.
    """
    if outcome.unanswered is not None:
        return dialect.note(_question(outcome.unanswered)), rounds
    if outcome.status == "completed":
        return ({} if not outcome.steps else dialect.note(_passed(outcome))), 0
    if outcome.status not in _SENT_BACK:
        return dialect.note(f"The pipeline could not be run to its end: {outcome.message}"), rounds
    if rounds >= most:
        again = f"The pipeline still says no after {rounds} round{'s' if rounds != 1 else ''}"
        return dialect.note(f"{again}: {_reason(outcome)}"), rounds
    return dialect.block(_task(outcome)), rounds + 1


def _passed(outcome: Outcome) -> str:
    cost = f", {dollars(outcome.cost)} USD" if outcome.cost else ""
    count = f"{outcome.steps} step{'s' if outcome.steps != 1 else ''}"
    return f"The pipeline has passed: {count} in {duration(outcome.duration)}{cost} (run {outcome.run})."


def _question(gate: Gate) -> str:
    text = f": {clean(gate.text)}" if gate.text else ""
    return f"The pipeline stops at {place(gate.step)} and asks you{text}"


def _reason(outcome: Outcome) -> str:
    where = f" at the step {place(outcome.step)}" if outcome.step else ""
    return f"{outcome.status}{where}: {outcome.message or 'it says no more'} (run {outcome.run})"


def _task(outcome: Outcome) -> str:
    output = f"\n\nWhat it said:\n{outcome.output}" if outcome.output else ""
    return (
        f"The pipeline that checks this project's work does not accept it: {_reason(outcome)}.{output}\n\n"
        "Mend what is wrong, then finish again; it is checked anew."
    )
