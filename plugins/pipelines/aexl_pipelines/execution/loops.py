"""Steps that repeat other steps."""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Mapping, Sequence

import trio

from aexl.errors import Invalid, NotFound
from aexl_pipelines.execution.branches import Copies
from aexl_pipelines.execution.conditions import satisfied
from aexl_pipelines.execution.gating import ask, rejected
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.outcomes import End, Work, failure
from aexl_pipelines.execution.rendering import fill
from aexl_pipelines.execution.values import Flow, as_items, history_of
from aexl_pipelines.journal.records import LoopSet, LoopTurn
from aexl_pipelines.language.model import DoWhileBody, ForEachBody, Step
from aexl_pipelines.language.naming import with_paths


def _body(instance: Instance) -> tuple[Step, ...]:
    body = instance.step.body
    assert isinstance(body, DoWhileBody | ForEachBody)
    if body.steps or body.file is None:
        return body.steps
    named = instance.run.pipeline.pipelines.get(body.file)
    if named is None:
        raise NotFound(f"there is no pipeline {body.file!r} for the loop {instance.step.id!r}")
    return with_paths(named, f"{instance.step.path}::")


async def _turn(instance: Instance, number: int, total: int, item: object = None) -> None:
    """Write down that a turn begins; one that has begun before goes on."""
    if not instance.known.has_turned(number):
        record = LoopTurn(at=instance.run.now(), step=instance.address, turn=number, total=total, item=item)
        await instance.run.emit(record, unlogged=not instance.step.log)


async def repeat_while(instance: Instance) -> Work:
    """Do the body, then ask, until the answer is yes."""
    body = instance.step.body
    assert isinstance(body, DoWhileBody)
    run, flow, step = instance.run, instance.flow, instance.step
    await instance.begin(f"at most {body.max_iterations} times")
    steps, begun = _body(instance), instance.known.turns
    history: dict[str, object] = {}
    answer = ""
    for number in range(1, body.max_iterations + 1):
        await _turn(instance, number, body.max_iterations)
        counted: Mapping[str, object] = ChainMap(
            {"iteration": number - 1, "max_iterations": body.max_iterations}, history
        )
        inner = flow.turn(step, number, do_while=counted)
        end = await run.walk(run, steps, inner)
        flow.frame.take_turn(step, inner.frame)
        flow.last = inner.last
        answer = (inner.last or "") if inner.answered else answer
        if end is not None:
            return _left(end, answer, number)
        if begun <= number and (run.options.dry_run or await satisfied_after(instance, inner, body)):
            return Work(response=answer, outputs={"index": number})
        history[str(number - 1)] = {name: history_of(entry) for name, entry in inner.frame.own.items()}
    return await _used_up(instance, body, answer)


async def satisfied_after(instance: Instance, inner: Flow, body: DoWhileBody) -> bool:
    """Say whether a loop ends after a turn."""
    if body.exit_when is None and body.exit_if is None:
        return False
    return await satisfied(instance.run, inner, body.exit_when, body.exit_if)


async def _used_up(instance: Instance, body: DoWhileBody, answer: str) -> Work:
    outputs = {"index": body.max_iterations}
    said = (
        f"the loop {instance.step.id!r} ran {body.max_iterations} times, and its question was never answered with yes"
    )
    match body.on_max_iterations:
        case "continue":
            return Work(response=answer, outputs=outputs)
        case "abort_pipeline":
            return failure(said)
        case "pause_for_human":
            verdict = await ask(
                instance.run, instance.address, "pause", "maximum", text=f"{said}. Go on?", content=answer
            )
            end = rejected(verdict, instance.address) if verdict.choice == "reject" else None
            return Work(response=answer, outputs=outputs, end=end)


def _left(end: End, answer: str, count: int) -> Work:
    """Return the work of a loop that was left: well by ``break``, else with what ended it."""
    if end.status == "break":
        return Work(response=answer, outputs={"index": count})
    return Work(response=answer, outputs={"index": count}, end=end)


async def repeat_for_each(instance: Instance) -> Work:
    """Do the body once for each item."""
    body = instance.step.body
    assert isinstance(body, ForEachBody)
    items = await _items(instance, body)
    steps = _body(instance)
    await instance.begin(f"for_each items={len(items)}")
    if instance.known.items is None:
        record = LoopSet(at=instance.run.now(), step=instance.address, items=items)
        await instance.run.emit(record, unlogged=not instance.step.log)
    if body.parallel > 1 and len(items) > 1:
        return await _side_by_side(instance, body, steps, items)
    return await _one_by_one(instance, body, steps, items)


async def _one_by_one(instance: Instance, body: ForEachBody, steps: Sequence[Step], items: Sequence[object]) -> Work:
    run, flow, step = instance.run, instance.flow, instance.step
    answers: list[str] = []
    for number, item in enumerate(items, 1):
        await _turn(instance, number, len(items), item)
        inner = flow.turn(step, number, for_each=_names(flow, body, item, number, len(items)))
        end = await run.walk(run, steps, inner)
        flow.frame.take_turn(step, inner.frame)
        flow.last = inner.last
        answers.append((inner.last or "") if inner.answered else "")
        if end is not None:
            return _left(end, answers[-1], number)
    return _all(answers)


def _all(answers: Sequence[str]) -> Work:
    last = next((answer for answer in reversed(answers) if answer), "")
    return Work(response=last, outputs={"index": len(answers), "responses": list(answers)})


async def _side_by_side(instance: Instance, body: ForEachBody, steps: Sequence[Step], items: Sequence[object]) -> Work:
    """Do several turns at a time; what they change of the files is merged in their order."""
    run, flow, step = instance.run, instance.flow, instance.step
    copies = Copies(run, flow, steps)
    patient = instance.settings.on_error == "wait_for_all"
    seats = trio.Semaphore(body.parallel)
    turns: dict[int, Flow] = {}
    failed: dict[int, End] = {}
    ends: list[End] = []

    async def turn(number: int, item: object, nursery: trio.Nursery) -> None:
        async with seats:
            await _turn(instance, number, len(items), item)
            inner = flow.turn(step, number, for_each=_names(flow, body, item, number, len(items)))
            inner.sessions = dict(flow.sessions)
            inner.folder = await copies.open(f"{instance.address}#{number}")
            turns[number] = inner
            end = await run.walk(run, steps, inner)
            if end is None:
                return
            if patient and end.status in {"failed", "timeout"} and not end.final:
                failed[number] = end
                return
            ends.append(end)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for number, item in enumerate(items, 1):
            nursery.start_soon(turn, number, item, nursery)
    answers: list[str] = []
    for _, inner in sorted(turns.items()):
        flow.frame.take_turn(step, inner.frame)
        answers.append((inner.last or "") if inner.answered else "")
    work = _all(answers)
    flow.last = work.response or flow.last
    if ends and ends[0].status != "break":
        return _left(ends[0], work.response or "", len(turns))
    for number in sorted(turns):
        end = await copies.merge(f"{instance.address}#{number}")
        if end is not None:
            return _left(end, work.response or "", len(turns))
    if failed:
        said = {str(number): end.message for number, end in sorted(failed.items())}
        return Work(response=work.response, outputs={**work.outputs, "failures": said})
    return work


def _names(flow: Flow, body: ForEachBody, item: object, number: int, total: int) -> Mapping[str, object]:
    axes = item if body.matrix is not None and isinstance(item, Mapping) else {}
    return {**(flow.for_each or {}), **axes, "item": item, body.variable: item, "index": number, "total": total}


async def _items(instance: Instance, body: ForEachBody) -> tuple[object, ...]:
    """Return what the loop goes over: what was worked out when it began.

    Raises:
        Invalid: If it is no list, or has more items than it may have.
    """
    if instance.known.items is not None:
        return instance.known.items
    found = _matrix(instance, body.matrix) if body.matrix is not None else _listed(instance, "over", body.over)
    most = body.max_items
    if most is not None and len(found) > most:
        if body.on_max_items == "abort_pipeline":
            raise Invalid(f"the loop {instance.step.id!r} has {len(found)} items, and may have {most}")
        found = found[:most]
    return tuple(found)


def _matrix(instance: Instance, matrix: Mapping[str, object]) -> list[object]:
    axes = {name: _listed(instance, name, values) for name, values in matrix.items()}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _listed(instance: Instance, name: str, given: object) -> list[object]:
    found = as_items(fill(instance, given))
    if found is None and instance.run.options.dry_run:
        return []
    if found is None:
        raise Invalid(f"{name!r} of the loop {instance.step.id!r} is no list: it must be a JSON list")
    return found
