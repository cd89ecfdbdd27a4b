"""Sessions over HTTP, as ail's API describes them: a pipeline that is open, and one turn after the other."""

from __future__ import annotations

import functools
from time import time

import msgspec
import trio

from aexl.api.ids import uuid7
from aexl.errors import Conflict, NotFound
from aexl_pipelines.gates.records import Standing
from aexl_pipelines.journal.folders import summarize
from aexl_pipelines.journal.records import RunOptions
from aexl_pipelines.language.planning import all_steps
from aexl_pipelines.serving.answering import json, nothing
from aexl_pipelines.serving.bodies import NewSession, NewTurn, PipelineChoice
from aexl_pipelines.serving.endpoints import Ask, Sendable
from aexl_pipelines.serving.fields import Fields, gate_fields, moment
from aexl_pipelines.serving.gate_api import answer_gate
from aexl_pipelines.serving.pending import gates_of, open_gates, show_turn
from aexl_pipelines.serving.run_api import load_choice, start_run
from aexl_pipelines.serving.session_stream import tell_session
from aexl_pipelines.serving.sessions import MOST_TURNS, SessionFile, Sessions, page
from aexl_pipelines.serving.streams import EventStream
from aexl_pipelines.serving.suspension import Suspension
from aexl_pipelines.serving.views import money


async def create(ask: Ask) -> Sendable:
    """Open a session."""
    wanted = ask.body
    assert isinstance(wanted, NewSession)
    folder, loaded = await load_choice(ask, wanted)
    pipeline = loaded.unwrap()
    session = SessionFile(
        key=wanted.session_key or "",
        agent=ask.principal.agent,
        folder=str(folder),
        created=time(),
        path=wanted.pipeline_path,
        inline=wanted.pipeline_inline,
        runner=wanted.runner,
        model=wanted.model,
        name=pipeline.file or "",
        steps=sum(1 for _ in all_steps(pipeline)),
    )
    made = await trio.to_thread.run_sync(_sessions(ask).create, session)
    return json(await trio.to_thread.run_sync(_view, ask, made), 201)


async def listed(ask: Ask) -> Sendable:
    """List sessions."""
    found = await trio.to_thread.run_sync(_sessions(ask).listed, _whose(ask))
    return json({"sessions": [_short(each) for each in found]})


async def shown(ask: Ask) -> Sendable:
    """Show a session."""
    session = await _find(ask)
    return json(await trio.to_thread.run_sync(_view, ask, session))


async def delete(ask: Ask) -> Sendable:
    """End a session: what runs is cancelled; its runs can still be looked at."""
    session = await _find(ask)
    for run in session.turns:
        job = ask.station.job(run)
        if job is not None:
            job.scope.cancel()
            await job.done.wait()
    await trio.to_thread.run_sync(_sessions(ask).remove, session.key)
    for listener in ask.station.streams.pop(session.key, ()):
        listener.end()
    return nothing()


async def turn(ask: Ask) -> Sendable:
    """Run a turn."""
    wanted = ask.body
    assert isinstance(wanted, NewTurn)
    session = await _find(ask)
    if any(ask.station.job(run) is not None for run in session.turns):
        raise Conflict(f"the session {session.key} has a turn that runs or waits at a gate; wait for it, or answer it")
    if len(session.turns) >= MOST_TURNS:
        raise Conflict(f"the session {session.key} has {MOST_TURNS} turns; open another one")
    choice = PipelineChoice(folder=session.folder, pipeline_path=session.path, pipeline_inline=session.inline)
    folder, loaded = await load_choice(ask, choice)
    options = RunOptions(once=True, runner=session.runner, model=session.model)
    run = uuid7()
    with Suspension(ask.station, run) as suspension:
        async with ask.station.turns:  # two requests at a time must not both be the next turn
            now = await _find(ask)
            if now.turns != session.turns:
                raise Conflict(f"the session {session.key} has begun another turn")
            ask.station.sessions[run] = session.key
            follows = session.turns[-1] if session.turns else None
            try:
                await start_run(ask, run, loaded, folder, wanted.prompt, wanted.inputs, options, follows)
            except BaseException:
                ask.station.sessions.pop(run, None)
                raise
            await trio.to_thread.run_sync(_add_turn, ask, now, run)
        if wanted.wait:
            await suspension.wait()
    view = await trio.to_thread.run_sync(show_turn, ask.station.runs, run)
    return json(view, 202 if view["status"] in {"suspended", "running"} else 201)


async def turns(ask: Ask) -> Sendable:
    """List turns, the newest first."""
    session = await _find(ask)
    offset, limit = ask.number("offset", 0, 0, MOST_TURNS), ask.number("limit", 20, 1, 100)
    shown = await trio.to_thread.run_sync(_page, ask, session, offset, limit)
    return json({"turns": shown, "total": len(session.turns), "offset": offset, "limit": limit})


async def turn_shown(ask: Ask) -> Sendable:
    """Show a turn."""
    session = await _find(ask)
    run = ask.path["turn"]
    if run not in session.turns:
        raise NotFound(f"the session {session.key} has no turn {run[:60]!r}")
    return json(await trio.to_thread.run_sync(show_turn, ask.station.runs, run))


async def stream(ask: Ask) -> Sendable:
    """Follow a session."""
    session = await _find(ask)
    pending = await trio.to_thread.run_sync(_pending, ask, session)
    return EventStream(ask.station, functools.partial(tell_session, ask.station, session, pending))


async def pending(ask: Ask) -> Sendable:
    """List the session's open gates."""
    session = await _find(ask)
    found = await trio.to_thread.run_sync(_pending, ask, session)
    return json({"gates": [gate_fields(each.gate) for each in found]})


async def decide(ask: Ask) -> Sendable:
    """Answer a gate of the session."""
    session = await _find(ask)
    await ask.station.desk.until_open(ask.path["gate"])
    runs = session.turns[-1:]
    found = await trio.to_thread.run_sync(gates_of, ask.station.runs, runs[0]) if runs else []
    for each in found:
        if each.gate.id == ask.path["gate"]:
            return json(await answer_gate(ask, each))
    raise NotFound(f"the session {session.key} has no gate {ask.path['gate'][:40]!r}")


def _sessions(ask: Ask) -> Sessions:
    return Sessions(ask.station.host.data_dir / "sessions")


def _whose(ask: Ask) -> str | None:
    return None if ask.is_admin else ask.principal.agent


async def _find(ask: Ask) -> SessionFile:
    return await trio.to_thread.run_sync(_sessions(ask).get, ask.path["key"], _whose(ask))


def _add_turn(ask: Ask, session: SessionFile, run: str) -> None:
    _sessions(ask).save(msgspec.structs.replace(session, turns=(*session.turns, run)))


def _short(session: SessionFile) -> Fields:
    return {
        "session_key": session.key,
        "agent": session.agent,
        "folder": session.folder,
        "pipeline": {"name": session.name, "path": session.path, "step_count": session.steps},
        "runner": session.runner,
        "turn_count": len(session.turns),
        "created_at": moment(session.created),
    }


def _view(ask: Ask, session: SessionFile) -> Fields:
    found = [summary for run in session.turns if (summary := summarize(ask.station.runs / run)) is not None]
    costs = [each.cost for each in found if each.cost is not None]
    last = found[-1].state if found else "ready"
    pending = _pending(ask, session) if last in {"running", "waiting"} else []
    status = "suspended" if pending else last if last == "running" else "ready"
    return {
        **_short(session),
        "status": status,
        "pending_gates": [gate_fields(each.gate) for each in pending],
        "total_cost_usd": money(sum(costs) if costs else None),
    }


def _page(ask: Ask, session: SessionFile, offset: int, limit: int) -> list[Fields]:
    return [show_turn(ask.station.runs, run) for run in page(session.turns, offset, limit)]


def _pending(ask: Ask, session: SessionFile) -> list[Standing]:
    """Return the open gates of the session's latest turn."""
    return open_gates(ask.station.runs, session.turns[-1]) if session.turns else []
