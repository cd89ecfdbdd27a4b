"""Running a pipeline from its begin to its end, going on with one, and going another way from one of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import trio

from aexl.api import Host
from aexl.errors import Conflict, Invalid, NotFound
from aexl_pipelines.execution.beginning import Start, make_run
from aexl_pipelines.execution.calls import find_callee
from aexl_pipelines.execution.driving import drive, result_of
from aexl_pipelines.execution.forking import copied_records, copy_homes, with_own_copies
from aexl_pipelines.execution.lists import run_list
from aexl_pipelines.execution.masking import MASK
from aexl_pipelines.execution.outcomes import End, Work
from aexl_pipelines.execution.passthrough import PASSTHROUGH, load_text
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.remains import end_remains, end_tree, left_tree, new_tree
from aexl_pipelines.execution.requests import RunRequest, RunResult
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.sources import digest_of, read_sources
from aexl_pipelines.execution.state import RunState, redone
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.journal.folders import find_folder, make_folder, runs_folder
from aexl_pipelines.journal.records import ChildBegun, Noted, Record, RunBegun, RunOptions, RunResumed, StepLink
from aexl_pipelines.journal.writing import NAME, Journal, open_journal
from aexl_pipelines.language.answers import whole_text
from aexl_pipelines.language.inputs import bind_inputs
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.model import PipelineTarget
from aexl_pipelines.language.problems import suggest


async def run_pipeline(host: Host, loaded: Loaded, request: RunRequest, ports: Ports) -> RunResult:
    """Run a pipeline to its end, whatever that is.

    Cancelling ends everything that the run has started within a second, writes the run's end down, and has no result.

    Raises:
        InvalidPipeline: If the pipeline has problems; nothing has run.
        Invalid: If a runner cannot do what a step asks of it, a secret is missing, or the folder's or the file's
            path is not UTF-8; nothing has run.
        Unavailable: If the journal cannot be written.
    """
    pipeline = loaded.unwrap()
    if request.name is not None:
        if request.name not in pipeline.pipelines:
            raise NotFound(f"there is no pipeline {request.name!r} in {pipeline.file}")
        pipeline = msgspec.structs.replace(pipeline, steps=pipeline.pipelines[request.name])
    begun = RunBegun(
        at=ports.clock.now(),
        run=request.run or ports.clock.identify(),
        project=_name_of(request.project),
        file=pipeline.file if pipeline.file != PASSTHROUGH else None,
        path=_path_of(loaded),
        name=request.name,
        digest=digest_of(loaded),
        prompt=request.prompt,
        inputs=request.inputs,
        options=request.options,
        parent=request.parent,
        follows=request.follows,
        tree="" if request.parent is not None else new_tree(),
        aexl=host.version,
    )
    journal = await trio.to_thread.run_sync(_new_journal, host.data_dir, begun.run)
    run = make_run(host, ports, Start(begun=begun, loaded=loaded, pipeline=pipeline, journal=journal), WAYS)
    return await drive(run, begun)


def _path_of(loaded: Loaded) -> str | None:
    """Return the path of the file itself: the first text that was read."""
    first = next(iter(loaded.sources), None)
    return _name_of(Path(first)) if first is not None and first.startswith("/") and "://" not in first else None


def _name_of(path: Path) -> str:
    """Return a path as a journal has it.

    Raises:
        Invalid: If it is not UTF-8.
    """
    name = str(path)
    if whole_text(name) != name:
        raise Invalid(f"the path {whole_text(name)!r} is not UTF-8, which a run's journal is")
    return name


def _new_journal(home: Path, run: str) -> Journal:
    return open_journal(make_folder(home, run), create=True)


async def resume_run(
    host: Host,
    run: str,
    ports: Ports,
    *,
    from_step: str | None = None,
    options: RunOptions | None = None,
    inputs: Mapping[str, object] | None = None,
) -> RunResult:
    """Go on with a run that was broken off or failed: what has ended is neither done nor paid for again.

    A run that has completed is left as it is, unless ``from_step`` names a step.

    Args:
        run: Its id, or what ``find_folder`` takes for it.
        from_step: An address; this step and all that began after it are done again. Files stay as they are.
        options: What differs from a default counts instead of what was said before.
        inputs: Values of inputs that are secret: the journal does not have them.

    Raises:
        NotFound: If there is no such run, or no such step in it.
        Conflict: If another process drives it, or it is part of another run.
        Invalid: If its journal is damaged, or a secret input is missing.
        Unavailable: If the run was killed, and what it had started does not end.
    """
    folder = await trio.to_thread.run_sync(find_folder, host.data_dir, run)
    journal = await trio.to_thread.run_sync(open_journal, folder)
    try:
        state = RunState(journal.records)
        begun = _begun(state, folder)
        if begun.parent is not None:
            raise Conflict(f"the run {begun.run} is part of the run {begun.parent.run}: resume that one")
        if state.ended is not None and state.ended.status == "completed" and from_step is None:
            journal.close()
            return result_of(folder, state.ended)
        redo, since = _redo(state, from_step)
        merged = _merged(state.resumed.options if state.resumed is not None else begun.options, options)
        tree = new_tree()
        begun = msgspec.structs.replace(
            begun, options=merged, inputs={**begun.inputs, **(inputs or {})}, agent=_agent(state), tree=tree
        )
        loaded = await _load_again(folder, begun, ports)
        found = await end_tree(host, left_tree(journal.records))
    except BaseException:
        if not journal.closed:
            journal.close()
        raise
    resumed = RunResumed(at=ports.clock.now(), redo=redo, since=since, from_step=from_step, options=merged, tree=tree)
    pipeline = loaded.unwrap()
    if begun.name is not None:
        pipeline = msgspec.structs.replace(pipeline, steps=pipeline.pipelines[begun.name])
    start = Start(begun=begun, loaded=loaded, pipeline=pipeline, journal=journal, state=state)
    return await drive(make_run(host, ports, start, WAYS), resumed, more=_noted(found, resumed.at))


def _noted(text: str | None, at: float) -> list[Record]:
    return [] if text is None else [Noted(at=at, text=text)]


def _agent(state: RunState) -> str | None:
    if state.resumed is not None and state.resumed.agent is not None:
        return state.resumed.agent
    return state.begun.agent if state.begun is not None else None


def _begun(state: RunState, folder: Path) -> RunBegun:
    if state.begun is None:
        raise Invalid(f"the run {folder.name} was broken off before it began: start it again")
    return state.begun


def _redo(state: RunState, chosen: str | None) -> tuple[tuple[str, ...], int | None]:
    if chosen is None:
        return (), None
    found = redone(state, chosen)
    if found is None:
        hint = suggest(chosen, state.steps) or f"there are {', '.join(list(state.steps)[:12])}"
        raise NotFound(f"the run has no step {chosen!r}; {hint}")
    return found


def _merged(before: RunOptions, given: RunOptions | None) -> RunOptions:
    changes = {
        field.name: value
        for field in msgspec.structs.fields(RunOptions)
        if given is not None and (value := getattr(given, field.name)) != field.default
    }
    return msgspec.structs.replace(before, **changes)


async def _load_again(folder: Path, begun: RunBegun, ports: Ports) -> Loaded:
    """Load the pipeline that a run has kept.

    Raises:
        NotFound: If it is not there any more.
        Invalid: If a secret input has no value.
    """
    known = await trio.to_thread.run_sync(read_sources, folder, begun.digest)
    if begun.path is None:
        loaded = await trio.to_thread.run_sync(load_text, begun, known)
    elif ports.load is None:
        raise NotFound("pipeline files cannot be read here")
    else:
        loaded = await trio.to_thread.run_sync(ports.load, Path(begun.path), known)
    for name, wanted in loaded.unwrap().inputs.items():
        if wanted.secret and begun.inputs.get(name) == MASK:
            raise Invalid(f"the input {name!r} is secret, and the journal does not have it: give --input {name}=...")
    return loaded


async def fork_run(
    host: Host,
    run: str,
    ports: Ports,
    *,
    from_step: str,
    prompt: str | None = None,
    options: RunOptions | None = None,
    inputs: Mapping[str, object] | None = None,
    loaded: Loaded | None = None,
    restore: bool = False,
) -> RunResult:
    """Run a pipeline anew from one of its steps on: what came before it is taken over from another run.

    Args:
        prompt: Another prompt than that run's.
        loaded: Another pipeline, for the steps that follow; the run's own by default.
        restore: Make the files what they were before that step.

    Raises:
        NotFound: If there is no such run, or no such step in it.
        Conflict: If ``restore`` would lose work.
        Unavailable: If that run was killed, and what it had started does not end.
        Invalid: As ``run_pipeline``.
    """
    source = await trio.to_thread.run_sync(find_folder, host.data_dir, run)
    records, state = await trio.to_thread.run_sync(copied_records, source, from_step)
    begun = _begun(state, source)
    merged = _merged(begun.options, options)
    begun = msgspec.structs.replace(begun, inputs={**begun.inputs, **(inputs or {})})
    if loaded is None:
        loaded = await _load_again(source, begun, ports)
    found = await end_remains(host, source)
    before = state.step(from_step).begun
    if restore and before is not None and before.before is not None:
        await ports.trees.restore(before.before, Path(begun.project))
    begun = msgspec.structs.replace(
        begun,
        at=ports.clock.now(),
        run=ports.clock.identify(),
        prompt=begun.prompt if prompt is None else prompt,
        options=merged,
        digest=digest_of(loaded),
        parent=None,
        origin=StepLink(run=begun.run, step=from_step),
        agent=None,
        before=None,
        tree=new_tree(),
    )
    journal = await trio.to_thread.run_sync(_new_journal, host.data_dir, begun.run)
    await trio.to_thread.run_sync(copy_homes, source, journal.path.parent)
    start = Start(begun=begun, loaded=loaded, pipeline=loaded.unwrap(), journal=journal)
    copied = with_own_copies(records, journal.path.parent)
    return await drive(make_run(host, ports, start, WAYS), begun, more=[*_noted(found, begun.at), *copied])


async def call_run(run: Run, flow: Flow, address: str, target: PipelineTarget, prompt: str) -> Work:
    """Run a pipeline for a step of another one: a run of its own, with what it costs counted in both."""
    callee = await find_callee(run, flow, target)
    known = run.state.step(address).child
    child = known.run if known is not None else run.ports.clock.identify()
    if known is None:
        await run.emit(ChildBegun(at=run.now(), step=address, run=child, file=callee.pipeline.file, name=callee.name))
    inputs = bind_inputs(
        callee.pipeline.inputs, {name: run.inputs[name] for name in callee.pipeline.inputs if name in run.inputs}
    )
    begun = RunBegun(
        at=run.now(),
        run=child,
        project=str(flow.folder),
        file=callee.pipeline.file,
        path=str(callee.path) if callee.path is not None else None,
        name=callee.name,
        digest=digest_of(callee.loaded),
        prompt=prompt,
        inputs=inputs,
        options=run.options,
        parent=StepLink(run=run.id, step=address),
        depth=run.depth + 1,
        aexl=run.host.version,
    )
    journal = await trio.to_thread.run_sync(_child_journal, run.home, child)
    state = RunState(journal.records)
    if state.ended is not None and state.ended.status == "completed":
        journal.close()
        flow.account.add(state.usage, state.cost, state.turns)
        return _work_of(result_of(journal.path.parent, state.ended))
    if state.begun is not None:
        begun = msgspec.structs.replace(begun, agent=_agent(state))
    start = Start(
        begun=begun,
        loaded=callee.loaded,
        pipeline=callee.pipeline,
        journal=journal,
        state=state,
        parent=run,
        account=flow.account,
    )
    first = begun if state.begun is None else RunResumed(at=run.now(), options=run.options)
    return _work_of(await drive(make_run(run.host, run.ports, start, WAYS), first))


def _child_journal(home: Path, run: str) -> Journal:
    folder = runs_folder(home) / run
    if not folder.is_dir():
        return _new_journal(home, run)
    return open_journal(folder, create=not (folder / NAME).exists())


def _work_of(result: RunResult) -> Work:
    end = None
    if result.status != "completed":
        end = End(status=result.status, message=result.message, step=result.run)
    return Work(
        response=result.response,
        outputs=result.outputs,
        usage=result.usage,
        cost=result.cost,
        booked=result.booked,
        turns=result.turns,
        end=end,
    )


WAYS = (run_list, call_run)
