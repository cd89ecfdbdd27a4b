"""Runs over HTTP: start, list, show, follow, cancel, resume."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

from aexl.api import parse_usd
from aexl.api.ids import uuid7
from aexl.errors import Conflict, Invalid, NotFound
from aexl_pipelines.execution.requests import RunRequest
from aexl_pipelines.journal.folders import RunSummary, read_begun, read_records, summarize
from aexl_pipelines.journal.records import RunOptions
from aexl_pipelines.journal.writing import is_driven
from aexl_pipelines.language.inputs import bind_inputs
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.serving.answering import json, nothing
from aexl_pipelines.serving.assembly import make_ports
from aexl_pipelines.serving.bodies import NewRun, PipelineChoice, ResumedRun
from aexl_pipelines.serving.endpoints import Ask, Sendable
from aexl_pipelines.serving.fields import Fields
from aexl_pipelines.serving.jobs import Job
from aexl_pipelines.serving.pending import show_run
from aexl_pipelines.serving.places import ServerLoader, check_folder
from aexl_pipelines.serving.streams import EventStream, tell_run
from aexl_pipelines.serving.suspension import Suspension
from aexl_pipelines.serving.views import run_view

_MOST: Final = 1000
_USUAL: Final = 50


async def start(ask: Ask) -> Sendable:
    """Start a run."""
    wanted = ask.body
    assert isinstance(wanted, NewRun)
    folder, loaded = await load_choice(ask, wanted)
    options = RunOptions(
        once=True,
        dry_run=wanted.dry_run,
        on_gate=wanted.on_gate,
        budget=None if wanted.budget_usd is None else parse_usd(wanted.budget_usd, "budget_usd"),
        timeout=wanted.timeout_seconds,
        model=wanted.model,
        runner=wanted.runner,
    )
    run = uuid7()
    with Suspension(ask.station, run) as suspension:
        await start_run(ask, run, loaded, folder, wanted.prompt, wanted.inputs, options)
        if wanted.wait:
            await suspension.wait()
    return await _answer(ask, run, 201)


async def load_choice(ask: Ask, wanted: PipelineChoice) -> tuple[Path, Loaded]:
    """Return the folder and the pipeline that a request means.

    Raises:
        InvalidPipeline: If there are problems.
    """
    folder = await trio.to_thread.run_sync(check_folder, ask.station.host, wanted.folder)
    loader = ServerLoader(ask.station.host, folder)
    loaded = await trio.to_thread.run_sync(loader.wanted, wanted.pipeline_path, wanted.pipeline_inline)
    loaded.unwrap()
    return folder, loaded


async def start_run(
    ask: Ask,
    run: str,
    loaded: Loaded,
    folder: Path,
    prompt: str,
    inputs: Mapping[str, object],
    options: RunOptions,
    follows: str | None = None,
) -> Job:
    """Begin a run for who asks; return when its journal has begun.

    Args:
        follows: The run whose conversation it goes on with.
    """
    from aexl_pipelines.execution.running import run_pipeline

    bound = bind_inputs(loaded.unwrap().inputs, inputs)
    request = RunRequest(project=folder, prompt=prompt, inputs=bound, options=options, run=run, follows=follows)
    ports = await make_ports(ask.station, ask.principal.agent, folder, options)
    work = functools.partial(run_pipeline, ask.station.host, loaded, request)
    return await ask.station.start(ask.principal.agent, run, work, ports)


async def listed(ask: Ask) -> Sendable:
    """List runs."""
    most = ask.number("limit", _USUAL, 1, _MOST)
    return json({"runs": await trio.to_thread.run_sync(_list, ask, most)})


def _list(ask: Ask, most: int) -> Sequence[Fields]:
    wanted = ask.query.get("status")
    found: list[Fields] = []
    for folder in sorted(ask.station.runs.glob("*"), reverse=True):
        if len(found) == most:
            break
        summary = _summary(folder) if ask.station.owners.may_see(ask.principal, folder.name) else None
        if summary is not None and wanted in {None, summary.state}:
            found.append(run_view(summary))
    return found


def _summary(folder: Path) -> RunSummary | None:
    try:
        return summarize(folder)
    except (Invalid, NotFound):  # one that cannot be read is left out; looking at it by its id says why
        return None


async def shown(ask: Ask) -> Sendable:
    """Show one run."""
    return await _answer(ask, (await find_run(ask)).name, 200)


async def events(ask: Ask) -> Sendable:
    """Follow a run's journal."""
    folder = await find_run(ask)
    after = _after(ask)
    if after >= 0 and not await trio.to_thread.run_sync(_has_more, folder, after):
        return nothing()  # with which an EventSource stops asking
    return EventStream(ask.station, functools.partial(tell_run, ask.station, folder, after))


async def cancel(ask: Ask) -> Sendable:
    """Cancel a run, and answer when nothing of it is left."""
    folder = await find_run(ask)
    job = ask.station.job(folder.name)
    if job is None:
        if await trio.to_thread.run_sync(is_driven, folder):
            raise Conflict(f"the run {folder.name} runs in another process; cancel it there")
        raise Conflict(f"the run {folder.name} does not run")
    job.scope.cancel()
    await job.done.wait()
    return await _answer(ask, folder.name, 200)


async def resume(ask: Ask) -> Sendable:
    """Go on with a run that was broken off, failed, or was rejected."""
    from aexl_pipelines.execution.running import resume_run

    wanted = ask.body if isinstance(ask.body, ResumedRun) else ResumedRun()
    folder = await find_run(ask)
    begun = await trio.to_thread.run_sync(read_begun, folder)
    if begun is None:
        raise Conflict(f"the run {folder.name} was broken off before it began; start it again")
    place = await trio.to_thread.run_sync(check_folder, ask.station.host, begun.project)
    ports = await make_ports(ask.station, ask.principal.agent, place, begun.options)
    work = functools.partial(resume_run, ask.station.host, folder.name, from_step=wanted.from_step)
    with Suspension(ask.station, folder.name) as suspension:
        await ask.station.start(ask.principal.agent, folder.name, work, ports)
        if wanted.wait:
            await suspension.wait()
    return await _answer(ask, folder.name, 202)


async def find_run(ask: Ask) -> Path:
    """Return the folder of the run that the path names."""
    return await trio.to_thread.run_sync(ask.station.owners.check, ask.principal, ask.path["run"])


async def _answer(ask: Ask, run: str, status: int) -> Sendable:
    return json(await trio.to_thread.run_sync(show_run, ask.station.runs, run), status)


def _after(ask: Ask) -> int:
    """Return the number of the last record that the client has; -1 for none."""
    given = [text for text in (ask.last_event, ask.query.get("after")) if text is not None]
    for text in given:
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise Invalid(f"Last-Event-ID and after must be the number of a record, not {text[:20]!r}")
    return int(given[0]) if given else -1


def _has_more(folder: Path, after: int) -> bool:
    return is_driven(folder) or any(written.number > after for written in read_records(folder))
