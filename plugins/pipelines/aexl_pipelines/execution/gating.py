"""Asking a person, once: what was answered before a crash counts, and an open question keeps its id."""

from __future__ import annotations

from collections.abc import Mapping

from aexl.errors import Unavailable
from aexl_pipelines.execution.outcomes import End
from aexl_pipelines.execution.run import Run
from aexl_pipelines.gates.naming import gate_id
from aexl_pipelines.journal.records import Choice, Gate, GateDecided, GateKind, GateOpened, Verdict


async def ask(
    run: Run,
    address: str,
    kind: GateKind,
    role: str,
    *,
    text: str,
    content: str = "",
    editable: bool = False,
    detail: Mapping[str, object] | None = None,
    timeout: float | None = None,
    default: Choice | None = None,
    unlogged: bool = False,
) -> Verdict:
    """Return a person's answer; a rejection, with who rejected it, where nobody can answer.

    Args:
        role: Why this step asks; a step asks once for each reason.
    """
    found = run.state.step(address).gate(role)
    if found is not None and found[1] is not None:
        return found[1]
    if run.options.dry_run and run.options.on_gate is None:  # nothing has happened that could be approved
        return Verdict(choice="approve", by="dry run")
    gate = Gate(
        id=found[0].gate.id if found is not None else gate_id(run.ports.clock.identify()),
        run=run.id,
        step=address,
        kind=kind,
        text=run.masker.text(text),
        content=run.masker.text(content),
        detail={**_masked(run, detail or {}), "for": role},
        editable=editable,
        default=default,
        timeout=timeout,
        opened=run.now(),
    )
    if found is None:
        await run.emit(GateOpened(at=run.now(), step=address, gate=gate), unlogged=unlogged)
    try:
        verdict = await run.ports.gates.ask(gate)
    except Unavailable as error:
        verdict = Verdict(choice="reject", reason=str(error), by="nobody")
    await run.emit(GateDecided(at=run.now(), step=address, gate=gate.id, kind=kind, verdict=verdict), unlogged=unlogged)
    return verdict


def _masked(run: Run, detail: Mapping[str, object]) -> dict[str, object]:
    return {name: run.masker.value(value) for name, value in detail.items()}


def rejected(verdict: Verdict, address: str) -> End:
    """Return the end that a rejection is."""
    by = "" if verdict.by in {"", "nobody", "option"} else f" by {verdict.by}"
    reason = verdict.reason or f"the step {address!r} was rejected{by}"
    return End(status="rejected", message=reason, step=address, final=True)
