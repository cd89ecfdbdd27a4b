"""A line for each thing that happened: what ``log`` prints, and what a run prints where there is no terminal. Pure."""

from __future__ import annotations

import time
from typing import Final

from aexl_pipelines.journal.records import (
    AttemptEnded,
    BranchTaken,
    ChildBegun,
    Forked,
    GateDecided,
    GateOpened,
    LoopSet,
    LoopTurn,
    Merged,
    Noted,
    PipelineReloaded,
    Progress,
    Proposed,
    Record,
    RunBegun,
    RunEnded,
    RunResumed,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.live.words import MARKS, RUN_WORDS, clean, dollars, duration, files, first_line, place

GATES: Final = {
    "pause": "asks to go on",
    "preview": "shows its answer",
    "edit": "offers its answer to be edited",
    "permission": "asks for a permission",
    "conflict": "asks about a conflict",
    "proposal": "proposes a change of the pipeline",
    "approval": "waits for approval",
}
_REASON: Final = 600
"""Characters of why something failed: what a budget or a policy says ends with what to do."""

_VERDICTS: Final = {"approve": "approved", "reject": "rejected", "edit": "edited"}


def run_line(seen: Record | Progress) -> str | None:
    """Return what a run without a terminal says: what begins, ends, waits or goes wrong. ``None`` for the rest."""
    match seen:
        case StepBegun():
            return f"{place(seen.step)}: {_begin(seen)}"
        case StepEnded(status="skipped"):
            return None
        case StepEnded() | AttemptEnded() | GateOpened() | GateDecided() | RunEnded() | Noted() | Proposed():
            return log_line(seen)
        case BranchTaken() if seen.action != "continue":
            return log_line(seen)
        case _:
            return None


def log_lines(record: Record, *, text: bool = True) -> list[str]:
    """Return a journal's record for people: a line with its time of day, and what was said below it."""
    clock = time.strftime("%H:%M:%S", time.localtime(record.at))
    said = log_line(record)
    lines = [] if said is None else [f"{clock} {said}"]
    return [*lines, *(f"         {line}" for line in _texts(record))] if text else lines


def log_line(record: Record) -> str | None:  # noqa: C901 - a table of sentences
    """Return one record as a sentence, without its time."""
    match record:
        case RunBegun():
            file = f"{record.file or 'the passthrough pipeline'}{f'#{record.name}' if record.name else ''}"
            return (
                f"run {record.run} of {file} in {record.project}{f', paid by {record.agent}' if record.agent else ''}"
            )
        case RunResumed():
            return f"the run goes on{f' from {place(record.from_step)}' if record.from_step else ''}"
        case PipelineReloaded():
            return f"{place(record.step)}: the pipeline was read again"
        case StepBegun():
            return f"{place(record.step)}: {_begin(record)}"
        case AttemptEnded():
            why = f": {first_line(record.error.message)}" if record.error else ""
            wait = f" in {duration(record.wait)}" if record.wait else ""
            return f"{place(record.step)}: attempt {record.attempt} {record.status}{why}; again{wait}"
        case BranchTaken():
            return f"{place(record.step)}: branch {record.number} ({record.why or 'always'}): {record.action}{_colon(record.message)}"
        case GateOpened():
            return f"{place(record.step)}: {gate_sentence(record)}"
        case GateDecided():
            verdict = record.verdict
            by = f" by {verdict.by}" if verdict.by else ""
            return f"{place(record.step)}: {_VERDICTS[verdict.choice]}{by}{_colon(verdict.reason)}"
        case LoopTurn():
            return f"{place(record.step)}: turn {record.turn} of {record.total}{_item(record.item)}"
        case LoopSet():
            return f"{place(record.step)}: goes over {len(record.items)} items"
        case ChildBegun():
            called = record.name or record.file or "a pipeline"
            return f"{place(record.step)}: calls {called} as run {record.run}"
        case Forked():
            return f"{place(record.step)}: works in a copy of the files, {record.folder}"
        case Merged():
            conflicts = f", conflicts in {', '.join(record.conflicts)}" if record.conflicts else ""
            return f"{place(record.step)}: its files were merged{conflicts}"
        case Noted():
            return f"{f'{place(record.step)}: ' if record.step else ''}{first_line(record.text)}"
        case StepEnded():
            return f"{place(record.step)}: {step_sentence(record)}"
        case Proposed():
            done = "applied" if record.applied else "proposed"
            return f"{place(record.step)}: a change of {record.file} was {done}{_colon(record.reason)}"
        case RunEnded():
            return run_sentence(record)


def step_sentence(ended: StepEnded) -> str:
    """Return how a step ended."""
    if ended.status == "skipped":
        return "skipped"
    facts = [
        f"in {duration(ended.duration)}",
        _cost(ended.booked, ended.cost),
        f"{files(len(ended.changed))} changed" if ended.changed else "",
        f"exit code {ended.exit_code}" if ended.exit_code else "",
        f"{ended.attempts} attempts" if ended.attempts > 1 else "",
        "from the cache" if ended.cached else "",
    ]
    why = _colon(ended.error.message, _REASON) if ended.error is not None and ended.status != "completed" else ""
    return f"{ended.status} {', '.join(fact for fact in facts if fact)}{why}"


def run_sentence(ended: RunEnded) -> str:
    """Return how a run ended."""
    facts = [
        f"in {duration(ended.duration)}",
        _cost(ended.booked, ended.cost),
        f"{files(len(ended.changed))} changed" if ended.changed else "",
    ]
    return f"{RUN_WORDS[ended.status]} {', '.join(fact for fact in facts if fact)}{_colon(ended.message, _REASON)}"


def gate_sentence(opened: GateOpened) -> str:
    """Return what a gate wants, and how it is answered from elsewhere."""
    gate = opened.gate
    default = ""
    if gate.timeout is not None:
        default = f"; {_VERDICTS[gate.default or 'reject']} after {duration(gate.timeout)}"
    return f"{GATES[gate.kind]}{_colon(gate.text)} (aexl pipeline approve|reject {gate.id}{default})"


def mark(ended: StepEnded, *, signs: bool) -> tuple[str, str]:
    """Return a step's sign, or word, and its colour."""
    sign, word, colour = MARKS[ended.status]
    return (sign if signs else word), colour


def _begin(begun: StepBegun) -> str:
    who = " ".join(part for part in (begun.runner, begun.model) if part)
    return f"{begun.kind}{f' ({who})' if who else ''}{_colon(begun.title)}"


def _texts(record: Record) -> list[str]:
    """Return what was asked and said, line by line."""
    match record:
        case RunBegun(prompt=said) | StepBegun(text=said):
            return _marked(said, "> ")
        case StepEnded(quiet=True):
            return []
        case StepEnded(response=str(said)):
            return _marked(said, "")
        case StepEnded():
            return [*_marked(record.stdout or "", "| "), *_marked(record.stderr or "", "! ")]
        case Proposed():
            return _marked(record.patch, "")
        case _:
            return []


def _marked(text: str, sign: str) -> list[str]:
    return [f"{sign}{line}" for line in clean(text).rstrip("\n").split("\n")] if text.strip() else []


def _colon(text: str, most: int = 200) -> str:
    return f": {first_line(text, most)}" if text.strip() else ""


def _item(item: object) -> str:
    return "" if item is None else f": {first_line(str(item), 80)}"


def _cost(booked: int | None, cost: int | None) -> str:
    known = dollars(booked if booked is not None else cost)
    return f"{known} USD" if known else ""
