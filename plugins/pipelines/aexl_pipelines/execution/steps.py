"""One step, from its condition to the end of its ``then`` chain.

The order is: condition, ``input_schema``, ``before``, the work itself with its
attempts, ``output_schema``, ``on_result``, ``then``. What the journal has of it is
taken from there; so a run that goes on walks the same way and does only what is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import msgspec
import trio

from aexl.api.runners import RunnerError
from aexl.api.work import ObjectId
from aexl.errors import AexlError
from aexl_pipelines.execution.accounting import Account
from aexl_pipelines.execution.attempts import attempt_all
from aexl_pipelines.execution.branching import follow_branch
from aexl_pipelines.execution.conditions import applies
from aexl_pipelines.execution.gating import ask
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.kinds import kind_of
from aexl_pipelines.execution.outcomes import End, Work, is_cancellation, run_status
from aexl_pipelines.execution.reloading import reload_known
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.settings import writes
from aexl_pipelines.execution.state import LOOPS, is_within
from aexl_pipelines.execution.values import Flow, entry_of, session_of
from aexl_pipelines.journal.records import AttemptEnded, Done, StepEnded, total, total_usage
from aexl_pipelines.language.model import DoWhileBody, ForEachBody, PipelineBody, Step
from aexl_pipelines.language.schemas import check_answer
from aexl_pipelines.nurseries import plain_errors

_FINAL = frozenset({"aborted", "rejected", "cancelled"})
"""Ends that no failure of a step is."""


async def run_step(run: Run, flow: Flow, step: Step) -> End | None:
    """Do a step, or what is left of it; return why the list ends with it, if it does."""
    address = flow.address_of(step)
    known = run.state.step(address)
    ended, end = known.ended, None
    if ended is None:
        fresh = not known.records and not (step.before and run.state.touched(f"{address}::before::"))
        try:
            wanted = not fresh or await applies(run, flow, step)
            checked = _check_input(step, flow) if wanted else None
        except AexlError as error:
            return await _fail_early(run, flow, step, address, str(error))
        if not wanted:
            ended = StepEnded(at=run.now(), step=address, kind=kind_of(step), status="skipped")
            await run.emit(ended)
            await _take_in(run, flow, step, ended)
            return None
        end = await run_chain(run, flow, step, "before")
        if end is not None:
            return end
        ended, end = await _perform(run, flow, step, address)
    else:
        checked = _checked_before(step, flow)
    await _take_in(run, flow, step, ended)
    if known.reloaded is not None and known.ended is not None:
        await reload_known(run, known.reloaded.digest)
    if end is not None or ended.status != "completed":
        return end
    return await _follow(run, flow, step, address, ended, checked)


async def _follow(run: Run, flow: Flow, step: Step, address: str, ended: StepEnded, checked: object) -> End | None:
    try:
        end = await follow_branch(run, flow, step, address, ended, checked)
    except AexlError as error:
        if run.options.dry_run:
            return None
        return End(status="failed", message=f"on_result of {address!r}: {error}", step=address)
    return end if end is not None else await run_chain(run, flow, step, "then")


def _check_input(step: Step, flow: Flow) -> object:
    return check_answer(step.input_schema, flow.last or "") if step.input_schema is not None else None


def _checked_before(step: Step, flow: Flow) -> object:
    """Return the checked input of a step that has ended: the answer before it is the latest one still."""
    try:
        return _check_input(step, flow)
    except AexlError:  # its journal keeps no texts, so nothing can be asked about them
        return None


async def run_chain(run: Run, flow: Flow, step: Step, label: Literal["before", "then"]) -> End | None:
    """Do the steps before or after a step."""
    entries: Sequence[Step] = step.before if label == "before" else step.then
    for number, entry in enumerate(entries):
        end = await run_step(run, flow, entry)
        if entry.id in flow.frame.own:
            flow.frame.own[f"{step.id}::{label}::{number}"] = flow.frame.own[entry.id]
        if end is not None:
            return end
    return None


async def _fail_early(run: Run, flow: Flow, step: Step, address: str, message: str) -> End | None:
    """End a step whose condition or input cannot be used."""
    instance = _instance(run, flow, step, address)
    work = Work(status="failed", error=_error(message))
    ended, end = await _conclude(instance, work)
    await _take_in(run, flow, step, ended)
    return end


def _instance(run: Run, flow: Flow, step: Step, address: str) -> Instance:
    known = run.state.step(address)
    return Instance(
        run=run,
        flow=flow,
        step=step,
        address=address,
        kind=kind_of(step),
        settings=run.settings(step),
        began=run.now(),
        attempt=len(known.every(AttemptEnded)) + 1,
    )


async def _perform(run: Run, flow: Flow, step: Step, address: str) -> tuple[StepEnded, End | None]:
    """Do a step's work, and write down its end, whatever that is."""
    instance = _instance(run, flow, step, address)
    try:
        if _is_bracketed(instance):
            known = instance.known.begun
            instance.before = known.before if known is not None else None
            if instance.before is None:
                before = f"before {address} of run {run.id}"
                instance.before = await run.capture(flow.folder, before, fresh=False)
        with _paying(instance):
            work = await attempt_all(instance)
        return await _conclude(instance, work)
    except AexlError as error:
        return await _conclude(instance, Work(status="failed", error=_error(str(error))))
    except BaseException as error:
        if instance.known.ended is None:
            broken = (
                Work(status="cancelled") if is_cancellation(error) else Work(status="failed", error=_error(str(error)))
            )
            await run.emit_last(_ended(instance, broken, None, ()), unlogged=not step.log)
        raise


@contextmanager
def _paying(instance: Instance) -> Iterator[None]:
    """Have what is within a loop or a call pay from the step's own budget, where it has one."""
    flow, budget = instance.flow, instance.settings.budget
    if budget is None or not isinstance(instance.step.body, DoWhileBody | ForEachBody | PipelineBody):
        yield
        return
    outer, flow.account = flow.account, Account(budget, flow.account, what=f"the budget of {instance.address!r}")
    if instance.kind in LOOPS:  # a run that was called tells itself what it has spent before
        spent = _with_inner(instance, Work())
        flow.account.start(spent.usage, spent.cost, spent.turns or 0)
    try:
        yield
    finally:
        flow.account = outer


def _is_bracketed(instance: Instance) -> bool:
    step, run = instance.step, instance.run
    if isinstance(step.body, DoWhileBody | ForEachBody | PipelineBody):
        return not run.options.dry_run
    return writes(step, instance.settings, dry_run=run.options.dry_run)


async def _conclude(instance: Instance, work: Work) -> tuple[StepEnded, End | None]:
    """Decide what follows from a step's work, and write down its end."""
    run = instance.run
    end, tolerated = await _judge(instance, work)
    after, booked = await _look_back(instance, work)
    changed = await run.changed_paths(instance.before, after)
    work = msgspec.structs.replace(work, booked=booked)
    if end is not None and end.status == "rejected" and work.status not in {"completed", "rejected"}:
        work = msgspec.structs.replace(work, status="rejected")
    ended = _ended(instance, _with_inner(instance, work), after, changed, tolerated=tolerated)
    await run.emit(ended, unlogged=not instance.step.log)
    return ended, end


async def _look_back(instance: Instance, work: Work) -> tuple[ObjectId | None, int | None]:
    """Return the snapshot after a step and what it was charged; both are asked for at the same time."""
    run, address = instance.run, instance.address
    after: ObjectId | None = None
    booked = work.booked

    async def look() -> None:
        nonlocal after
        after = await run.capture(instance.flow.folder, f"after {address} of run {run.id}")

    with plain_errors():
        async with trio.open_nursery() as nursery:
            if instance.before is not None:
                nursery.start_soon(look)
            if run.governed is not None and booked is None and work.runner is not None:
                booked = await run.governed.booked(address)
    return after, booked


def _with_inner(instance: Instance, work: Work) -> Work:
    """Return a loop's work with what the steps within it have used."""
    if instance.kind not in LOOPS:
        return work
    inner = [
        ended
        for address, state in instance.run.state.steps.items()
        if is_within(address, instance.address) and (ended := state.ended) is not None and ended.kind not in LOOPS
    ]
    return msgspec.structs.replace(
        work,
        usage=total_usage(tuple(each.usage for each in inner)),
        cost=total(tuple(each.cost for each in inner)),
        booked=total(tuple(each.booked for each in inner)),
        turns=total(tuple(each.turns for each in inner)),
    )


async def _judge(instance: Instance, work: Work) -> tuple[End | None, bool]:
    """Return why the list ends with a step, if it does, and whether its failure is put up with."""
    if work.status in {"completed", "skipped"}:
        return work.end, False
    end = work.end or End(status=run_status(work), message=_message(instance, work), step=instance.address)
    over = work.error is not None and work.error.kind == "budget" and instance.run.account.exceeded() is not None
    if end.final or over or end.status in _FINAL:
        return end, False
    timed_out = work.status == "timeout" and instance.settings.on_timeout not in {None, "retry"}
    match instance.settings.on_timeout if timed_out else instance.settings.on_error:
        case "continue":
            return None, True
        case "pause_for_human":
            return await _ask_about(instance, end)
        case _:
            return end, False


async def _ask_about(instance: Instance, end: End) -> tuple[End | None, bool]:
    """Ask a person whether to go on after a failure."""
    text = f"The step {instance.address} failed: {end.message}. Go on without it?"
    verdict = await ask(instance.run, instance.address, "pause", "error", text=text, unlogged=not instance.step.log)
    if verdict.choice == "reject":
        reason = verdict.reason or end.message
        return End(status="rejected", message=reason, step=instance.address, final=True), False
    return None, True


def _message(instance: Instance, work: Work) -> str:
    said = work.error.message if work.error is not None else f"it ended as {work.status}"
    return f"the step {instance.address!r} failed: {said}"


def _error(message: str) -> RunnerError:
    return RunnerError(kind="settings", message=message)


def _ended(
    instance: Instance, work: Work, after: ObjectId | None, changed: tuple[str, ...], *, tolerated: bool = False
) -> StepEnded:
    usage, cost = instance.spent(work.usage, work.cost)
    done = {name: getattr(work, name) for name in Done.__struct_fields__}
    done |= {"usage": usage, "cost": cost}
    if not instance.step.trace:
        done |= {"tools": (), "dialogue": ()}
    return StepEnded(
        at=instance.run.now(),
        step=instance.address,
        kind=instance.kind,
        status=work.status,
        attempts=len(instance.known.every(AttemptEnded)) + 1,
        before=instance.before,
        after=after,
        changed=changed,
        duration=max(0.0, instance.run.now() - instance.began),
        tolerated=tolerated,
        quiet=not instance.step.display,
        **done,
    )


async def _diff(run: Run, ended: StepEnded) -> str:
    if ended.before is None or ended.after is None or ended.before == ended.after:
        return ""
    return await run.ports.trees.diff_text(ended.before, ended.after)


async def _take_in(run: Run, flow: Flow, step: Step, ended: StepEnded) -> None:
    """Make known what a step came to, under all its names."""
    entry = entry_of(ended, await _diff(run, ended) if run.wants_diff else None)
    if step.id == "invocation":
        entry["prompt"] = run.prompt
    for name in {step.id, step.path}:
        flow.frame.own[name] = entry
    if ended.response is not None and ended.status == "completed":
        flow.last, flow.answered = ended.response, True
    session = flow.frame.session_within(step.id) if ended.kind in LOOPS else session_of(ended)
    if session is not None:
        flow.sessions[session.runner] = session
        flow.frame.sessions.update(dict.fromkeys((step.id, step.path), session))
