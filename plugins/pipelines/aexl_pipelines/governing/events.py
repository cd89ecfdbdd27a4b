"""What the ledger hears of runs: that they began and how they ended, every decision at a gate, every undo.

No prompt, answer or reason is in an event: see the ledger's page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from aexl.api import Receipt
from aexl_pipelines.governing.names import step_label
from aexl_pipelines.journal.records import GateDecided, Record, RunBegun, RunEnded, RunResumed

_LONGEST: Final = 1000
"""Characters of one value."""

Data = Mapping[str, str | int]


class Appending(Protocol):
    """What is needed of the role ``Journal``."""

    async def append(self, kind: str, subject: str, data: Data) -> Receipt | None:
        """Append an event; ``None`` where that is not to be had."""
        ...


async def record_event(journal: Appending | None, run: str, record: Record) -> Receipt | None:
    """Append what a record means to the ledger; ``None`` where there is none, or where it means nothing there."""
    said = describe(record)
    return None if said is None else await _append(journal, said[0], run, said[1])


async def record_undo(journal: Appending | None, run: str, step: str | None, data: Data) -> Receipt | None:
    """Record that files were made what they were before a run, or before one of its steps.

    Args:
        data: Which snapshots, how many files.
    """
    return await _append(journal, "undo", run, {"step": step_label(step or ""), **data})


async def _append(journal: Appending | None, event: str, run: str, data: Data) -> Receipt | None:
    if journal is None:
        return None
    short = {key: value[:_LONGEST] if isinstance(value, str) else value for key, value in data.items()}
    return await journal.append(f"pipelines.{event}", run, short)


def describe(record: Record) -> tuple[str, Data] | None:
    """Return the word and the data of the event that a record becomes."""
    match record:
        case RunBegun():
            return "begin", {
                "file": record.file or "",
                "pipeline": record.name or "",
                "digest": record.digest,
                "parent": record.parent.run if record.parent else "",
                "agent": record.agent or "",
            }
        case RunResumed():
            return "resume", {"digest": record.digest, "from": record.from_step or "", "agent": record.agent or ""}
        case GateDecided():
            verdict = record.verdict
            return "gate", {
                "step": step_label(record.step),
                "gate": record.gate,
                "kind": record.kind,
                "choice": verdict.choice,
                "by": verdict.by,
            }
        case RunEnded():
            known = {"cost": record.cost, "booked": record.booked, "turns": record.turns}
            return "end", {
                "status": record.status,
                "step": step_label(record.step or ""),
                "files": len(record.changed),
                "milliseconds": round(record.duration * 1000),
                **{key: value for key, value in known.items() if value is not None},
            }
        case _:
            return None
