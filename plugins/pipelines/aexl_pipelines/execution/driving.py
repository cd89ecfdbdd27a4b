"""Driving a run: from its first record to its last, which it gets in any case."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import trio

from aexl.api.work import ObjectId
from aexl.errors import AexlError
from aexl_pipelines.execution.beginning import first_flow, give_values
from aexl_pipelines.execution.continuing import take_sessions
from aexl_pipelines.execution.lists import run_pipeline_steps
from aexl_pipelines.execution.outcomes import End, is_cancellation
from aexl_pipelines.execution.preflight import check_run
from aexl_pipelines.execution.requests import RunResult
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.sources import keep_sources
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.journal.records import EXIT_CODES, Noted, Record, RunBegun, RunEnded, RunResumed, RunStatus
from aexl_pipelines.language.expressions.errors import Unresolved
from aexl_pipelines.trees.copies import remove_copies


async def drive(run: Run, first: RunBegun | RunResumed, *, more: Sequence[Record] = ()) -> RunResult:
    """Drive a run to its end; its journal is closed then.

    Args:
        first: What is written down first.
        more: What is written down next: what is taken over from another run, and notes.

    Raises:
        AexlError: If it cannot begin; then nothing of a new run is left.
    """
    try:
        with _plain_errors():
            return await _drive(run, first, more)
    finally:
        begun = run.state.begun is not None
        run.journal.close()
        if not begun:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(lambda: shutil.rmtree(run.folder, ignore_errors=True))


async def _drive(run: Run, first: RunBegun | RunResumed, more: Sequence[Record]) -> RunResult:
    await trio.to_thread.run_sync(give_values, run)
    header = _header(run, first)
    async with run.ports.governor.run(header, run.account.budget) as governed:
        run.governed = governed
        if governed is not None and governed.agent:
            run.masker.add_tokens()
        if run.parent is None or run.parent.loaded is not run.loaded:
            _check(run)
        await _begin(run, first, more)
        began = trio.current_time()
        try:
            end, flow = await _steps(run)
        except BaseException as error:
            await run.emit_last(_ended(run, _end_of(error), None, began))
            raise
        with trio.CancelScope(shield=True):
            ended = await _conclude(run, end, flow, began)
        return result_of(run.folder, ended)


def _header(run: Run, first: RunBegun | RunResumed) -> RunBegun:
    """Return what the governor knows a run by."""
    if isinstance(first, RunBegun):
        return run.masker.record(first)
    assert run.state.begun is not None
    known = run.state.resumed
    agent = known.agent if known is not None and known.agent is not None else run.state.begun.agent
    return msgspec.structs.replace(run.state.begun, options=first.options, agent=agent)


def _check(run: Run) -> None:
    check_run(
        run.loaded,
        run.pipeline,
        run.options,
        run.ports,
        budget=run.account.budget,
        governed=run.governed is not None and bool(run.governed.agent),
    )


async def _begin(run: Run, first: RunBegun | RunResumed, more: Sequence[Record]) -> None:
    """Write a run's begin down; what was spent before counts."""
    agent = (run.governed.agent or None) if run.governed is not None else None
    if isinstance(first, RunBegun):
        await trio.to_thread.run_sync(keep_sources, run.folder, run.loaded)
        found: ObjectId | Noted | None = None
        if not run.options.dry_run:
            found = await run.try_capture(run.project, f"before run {run.id}", fresh=run.depth == 0)
        run.before, notes = (None, [found]) if isinstance(found, Noted) else (found, [])
        await run.emit(msgspec.structs.replace(first, agent=agent, before=run.before))
        more = (*notes, *more)
    else:
        assert run.state.begun is not None
        run.before = run.state.begun.before
        await run.emit(msgspec.structs.replace(first, agent=agent))
    for record in more:
        await run.emit(record)
    run.account.add(run.state.usage, run.state.cost, run.state.turns)


async def _steps(run: Run) -> tuple[End | None, Flow]:
    """Do the steps in the time that there is."""
    flow = first_flow(run)
    await take_sessions(run, flow)
    end: End | None = None
    finished = False
    timeout = run.options.timeout if run.depth == 0 else None
    limit = run.account.budget.time
    left = max(0.0, limit - run.state.active) if limit is not None else None
    with _within(timeout) as time, _within(left) as budget:
        end = await run_pipeline_steps(run, flow)
        finished = True
    if not finished and time.cancelled_caught:
        end = End(status="timeout", message=f"the run took longer than {timeout:g} seconds", final=True)
    elif not finished and budget.cancelled_caught:
        end = End(status="denied", message=f"the run's budget of {limit:g} seconds is used up", final=True)
    if end is None and (over := run.account.exceeded()) is not None:
        end = End(status="denied", message=over.message, final=True)
    return end, flow


def _within(seconds: float | None) -> trio.CancelScope:
    return trio.CancelScope(deadline=trio.current_time() + seconds if seconds is not None else float("inf"))


def _end_of(error: BaseException) -> End:
    if is_cancellation(error):
        return End(status="cancelled", message="the run was cancelled")
    return End(status="failed", message=f"the run broke off: {error}")


async def _conclude(run: Run, end: End | None, flow: Flow, began: float) -> RunEnded:
    """Write a run's end down."""
    ended = _ended(run, end, flow, began)
    after = None
    if run.before is not None and run.depth == 0:
        after = await run.capture(run.project, f"after run {run.id}", fresh=False)
    booked = await run.governed.booked() if run.governed is not None else None
    outputs, missing = _outputs(run, flow) if ended.status == "completed" else ({}, "")
    ended = msgspec.structs.replace(
        ended,
        outputs=outputs,
        message=ended.message or missing,
        booked=booked,
        before=run.before,
        after=after,
        changed=await run.changed_paths(run.before, after),
    )
    await run.emit(ended)
    if ended.status in {"completed", "aborted"}:  # any other may be resumed, and go on in them
        await remove_copies(run.ports.trees, run.folder)
    return run.masker.record(ended)


def _ended(run: Run, end: End | None, flow: Flow | None, began: float) -> RunEnded:
    status: RunStatus = "completed" if end is None or end.status == "break" else end.status
    return RunEnded(
        at=run.now(),
        status=status,
        exit_code=EXIT_CODES[status],
        message=end.message if end is not None else "",
        step=end.step if end is not None else None,
        response=(flow.last or "") if flow is not None else "",
        usage=run.account.usage,
        cost=run.account.cost,
        turns=run.account.turns,
        duration=trio.current_time() - began,
    )


def _outputs(run: Run, flow: Flow) -> tuple[Mapping[str, object], str]:
    """Return the values that a run answers with; one that nothing has said is ``None``, and a note says why."""
    found: dict[str, object] = {}
    missing: list[str] = []
    if run.name is None:
        for name, output in run.pipeline.outputs.items():
            try:
                found[name] = output.value.value(run.values(flow))
            except Unresolved as error:
                found[name] = None
                missing.append(f"the output {name!r} has no value: {error}")
    return found, "; ".join(missing)


def result_of(folder: Path, ended: RunEnded) -> RunResult:
    """Return what came of a run that has ended."""
    return RunResult(
        run=folder.name,
        folder=folder,
        status=ended.status,
        exit_code=ended.exit_code,
        message=ended.message,
        response=ended.response,
        outputs=ended.outputs,
        usage=ended.usage,
        cost=ended.cost,
        booked=ended.booked,
        turns=ended.turns,
        duration=ended.duration,
    )


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Let one error out of the groups that nurseries make, as if there were no nursery."""
    try:
        yield
    except BaseExceptionGroup as group:
        found, rest = group.split(AexlError)
        if found is None or rest is not None:
            raise
        error: BaseException = found
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from error.__cause__
