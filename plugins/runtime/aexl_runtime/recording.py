"""What the ledger is told of a run, and of a tool that is a program: what ran, who paid, how it ended, what held it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from aexl.api import Host, Invocation, Journal

EVENT: Final = "runtime.run"

_LONGEST: Final = 200


class Ran(NamedTuple):
    """One run.

    Attributes:
        id: The invocation's, or the execution's that it is.
        project: What it is called by its content.
        handler: What of it ran, as ``name_of`` says it.
        agent: Who paid for models, or would have.
        code: Of its error, or ``ok``.
        runtime: Its interpreter; empty for a program.
        sandbox: As an answer has it; ``None`` where nothing was started.
    """

    id: str
    project: str
    kind: str
    handler: str
    agent: str
    code: str
    runtime: str
    milliseconds: int
    warm: bool
    sandbox: Mapping[str, object] | None


def name_of(invocation: Invocation) -> str:
    """Return what is asked for: a handler's name, ``METHOD /path`` or ``SERVER/TOOL``."""
    match invocation:
        case Invocation(kind="http", http=dict(asked)):
            return f"{asked.get('method')} {asked.get('path')}"
        case Invocation(kind="mcp", mcp=dict(asked)):
            return f"{asked.get('server')}/{asked.get('tool')}"
        case _:
            return invocation.handler or ""


async def record(host: Host, ran: Ran) -> None:
    """Append an event; nothing where nobody keeps a ledger."""
    journal = host.service(Journal)
    if journal is None:
        return
    data: dict[str, str | int] = {
        "project": ran.project[:_LONGEST],
        "kind": ran.kind[:_LONGEST],
        "handler": ran.handler[:_LONGEST],
        "agent": ran.agent[:_LONGEST],
        "code": ran.code,
        "runtime": ran.runtime[:_LONGEST],
        "milliseconds": ran.milliseconds,
        "warm": int(ran.warm),
        "enforced": _names(ran.sandbox, "enforced"),
        "not_enforced": _names(ran.sandbox, "not_enforced"),
    }
    await journal.append(EVENT, ran.id[:_LONGEST], data)


def _names(sandbox: Mapping[str, object] | None, key: str) -> str:
    controls = (sandbox or {}).get(key)
    return " ".join(sorted(controls)) if isinstance(controls, dict) else ""
