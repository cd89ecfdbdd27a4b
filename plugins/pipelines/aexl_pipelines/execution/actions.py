"""Actions: what steps and branches do that is no agent's work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from aexl.errors import AexlError, Invalid
from aexl_pipelines.execution.gating import ask, rejected
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.outcomes import End, Work
from aexl_pipelines.execution.reloading import reload_now
from aexl_pipelines.execution.rendering import render
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.values import Entry
from aexl_pipelines.journal.records import Choice, Proposed
from aexl_pipelines.language.answers import decode_answer
from aexl_pipelines.language.model import ActionBody

_QUESTION = "Go on?"


async def do_action(instance: Instance) -> Work:
    """Do what a step's ``action`` says."""
    body, step = instance.step.body, instance.step
    assert isinstance(body, ActionBody)
    text = render(instance, step.message) if step.message is not None else ""
    await instance.begin(text)
    match body.action:
        case "pause_for_human":
            return await _pause(instance, text)
        case "preview_for_human":
            return await _preview(instance, text)
        case "modify_output":
            return await _modify(instance, text)
        case "use_original":
            return Work(response=original(instance.flow.frame))
        case "join":
            return _join(instance)
        case "reload_self":
            return await reload_now(instance)
        case "break":
            return Work(end=End(status="break", message=text, step=instance.address))
        case "abort_pipeline":
            said = text or f"the step {instance.address!r} ends the run"
            return Work(end=End(status="aborted", message=said, step=instance.address))
        case "apply_pipeline_diff" | "propose_pipeline_change":
            timeout, optional = instance.step.timeout, _default(instance) == "approve"
            answer = instance.flow.last or ""
            return await propose(instance.run, instance.address, answer, text, timeout, optional=optional)


def _default(instance: Instance) -> Choice | None:
    """Return what counts when a person did not answer in time: what the gate itself says, never what is usual for steps."""
    return "approve" if instance.step.on_timeout == "continue" else None


async def _pause(instance: Instance, text: str) -> Work:
    verdict = await ask(
        instance.run,
        instance.address,
        "pause",
        "action",
        text=text or _QUESTION,
        content=instance.flow.last or "",
        timeout=instance.step.timeout,
        default=_default(instance),
        unlogged=not instance.step.log,
    )
    return Work(end=rejected(verdict, instance.address)) if verdict.choice == "reject" else Work()


async def _preview(instance: Instance, text: str) -> Work:
    answer = instance.flow.last or ""
    verdict = await ask(
        instance.run,
        instance.address,
        "preview",
        "action",
        text=text or _QUESTION,
        content=answer,
        editable=True,
        timeout=instance.step.timeout,
        default=_default(instance),
        unlogged=not instance.step.log,
    )
    if verdict.choice == "reject":
        return Work(end=rejected(verdict, instance.address))
    if verdict.choice == "edit" and verdict.text is not None:
        return Work(response=verdict.text, outputs={"modified": verdict.text})
    return Work(outputs={"modified": answer})


async def _modify(instance: Instance, text: str) -> Work:
    answer = instance.flow.last or ""
    if _nobody(instance):
        return _without_person(instance)
    verdict = await ask(
        instance.run,
        instance.address,
        "edit",
        "action",
        text=text or "Change it, or leave it as it is.",
        content=answer,
        editable=True,
        timeout=instance.step.timeout,
        default=_default(instance),
        unlogged=not instance.step.log,
    )
    if verdict.choice == "reject":
        return Work(end=rejected(verdict, instance.address))
    changed = verdict.text if verdict.choice == "edit" and verdict.text is not None else answer
    return Work(outputs={"modified": changed})


def _nobody(instance: Instance) -> bool:
    """Say whether nobody is here: said so, or a dry run, and no option that answers."""
    options = instance.run.options
    return (options.headless or options.dry_run) and options.on_gate is None


def _without_person(instance: Instance) -> Work:
    step = instance.step
    match step.on_headless:
        case "use_default" if step.default_value is not None:
            return Work(outputs={"modified": render(instance, step.default_value)})
        case "abort":
            said = f"nobody is here to change {instance.address!r} (on_headless: abort)"
            return Work(end=End(status="aborted", message=said, step=instance.address))
        case _:
            return Work(status="skipped")


def original(frame: Mapping[str, object], name: str = "invocation") -> str:
    """Return a step's answer as it was given.

    Raises:
        Invalid: If it has given none.
    """
    entry = frame.get(name)
    answer = entry.get("response") or entry.get("stdout") if isinstance(entry, Mapping) else None
    if not isinstance(answer, str):
        raise Invalid(f"the step {name!r} has given no answer that could be used")
    return answer


def _join(instance: Instance) -> Work:
    """Put together what the branches answered."""
    frame, step = instance.flow.frame, instance.step
    entries = {name: frame.get(name) for name in step.depends_on}
    if step.output_schema is not None:
        value = {name: _as_json(entry) for name, entry in entries.items() if isinstance(entry, Mapping)}
        return Work(response=json.dumps(value, ensure_ascii=False, default=str))
    parts = [f"[{name}]:\n{_said(entry)}\n" for name, entry in entries.items() if isinstance(entry, Mapping)]
    return Work(response="\n".join(parts))


def _said(entry: Entry) -> str:
    if entry.get("status") not in {"completed", "skipped"}:
        return f"(failed: {entry.get('error') or entry.get('status')})"
    answer = entry.get("response")
    if answer is None:
        answer = "\n".join(str(entry[name]) for name in ("stdout", "stderr") if entry.get(name))
    return str(answer)


def _as_json(entry: Entry) -> object:
    if entry.get("status") == "skipped":
        return None
    if entry.get("status") != "completed":
        return {"error": str(entry.get("error") or entry.get("status"))}
    try:
        return decode_answer(_said(entry))
    except (ValueError, RecursionError):
        return _said(entry)


async def propose(
    run: Run, address: str, answer: str, text: str, timeout: float | None = None, *, optional: bool = False
) -> Work:
    """Show a person a change of the pipeline file, and make it if they say so.

    Args:
        optional: Where nobody answers in time the run goes on without the change.
    """
    if run.path is None:
        raise Invalid("there is no pipeline file that could be changed")
    try:
        proposal = await run.ports.proposals.prepare(Path(run.path), answer)
    except Invalid as error:
        record = Proposed(at=run.now(), step=address, file=str(run.path), patch="", reason=str(error))
        await run.emit(record)
        raise
    said = "\n".join([*proposal.weakens, text or f"Change {run.path}?"])
    if proposal.problems:
        said = f"{said}\nIt cannot be applied: " + "; ".join(proposal.problems)
    verdict = await ask(run, address, "proposal", "proposal", text=said, content=proposal.patch, timeout=timeout)
    applied, reason = False, verdict.reason
    if verdict.choice == "approve" and not proposal.problems:
        try:
            await run.ports.proposals.apply(proposal)
            applied = True
        except AexlError as error:
            reason = str(error)
    await run.emit(
        Proposed(
            at=run.now(),
            step=address,
            file=str(run.path),
            patch=proposal.patch,
            digest=proposal.digest,
            applied=applied,
            reason=reason,
        )
    )
    if verdict.choice == "reject" and not (optional and verdict.by == "timeout"):
        return Work(end=rejected(verdict, address))
    return Work(response=proposal.patch, outputs={"applied": applied})
