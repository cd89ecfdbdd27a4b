"""Asking a person, from a hook, whether an agent may use a tool that the pipeline's policy does not name."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final, cast

from aexl.api import Host, Journal, Session
from aexl.api.ids import uuid7
from aexl.errors import Unavailable
from aexl_pipelines.gates.naming import gate_id
from aexl_pipelines.gates.queue import FileGates
from aexl_pipelines.governing.events import record_event
from aexl_pipelines.hooking.dialects import Dialect, HookCall
from aexl_pipelines.hooking.entries import HookOptions
from aexl_pipelines.journal.folders import runs_folder
from aexl_pipelines.journal.records import Gate, GateDecided, Verdict

if TYPE_CHECKING:
    from aexl_pipelines.journal.records import OnGate

STEP: Final = "session"
"""What stands where gates of runs have their step."""


def ask_permission(session: Session, dialect: Dialect, call: HookCall, options: HookOptions) -> str | None:
    """Put up a gate and return why the tool may not run; ``None`` if it may."""
    verdict = session.run(lambda host: _ask(host, _gate(dialect, call, options), options))
    if verdict.choice != "reject":
        return None
    return f"{call.tool} was not allowed: {verdict.reason or 'the person said no'}."


def session_run(dialect: Dialect, call: HookCall) -> str:
    """Return what a person's session is called where gates have their run."""
    return f"{dialect.name}-{hashlib.sha256(call.session.encode()).hexdigest()[:12]}"


def _gate(dialect: Dialect, call: HookCall, options: HookOptions) -> Gate:
    return Gate(
        id=gate_id(uuid7()),
        run=session_run(dialect, call),
        step=STEP,
        kind="permission",
        text=f"{dialect.name} wants to use {call.tool} in {call.cwd}",
        detail={"tool": call.tool, "input": call.given},
        timeout=options.wait or None,
        opened=time.time(),
    )


async def _ask(host: Host, gate: Gate, options: HookOptions) -> Verdict:
    on_gate = cast("OnGate | None", options.on_gate)
    gates = FileGates(runs_folder(host.data_dir), on_gate=on_gate, waits=bool(options.wait))
    try:
        verdict = await gates.ask(gate)
    except Unavailable as error:
        verdict = Verdict(choice="reject", reason=str(error), by="nobody")
    decided = GateDecided(at=time.time(), step=STEP, gate=gate.id, kind=gate.kind, verdict=verdict)
    await record_event(host.service(Journal), gate.run, decided)
    return verdict
