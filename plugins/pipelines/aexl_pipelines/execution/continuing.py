"""Going on with a conversation: a run that follows another one, in the session of its agent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.api.runners import Ability
from aexl.errors import Invalid, NotFound
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.settings import settings_of
from aexl_pipelines.execution.values import Flow, SessionRef, session_of
from aexl_pipelines.journal.folders import read_records, runs_folder
from aexl_pipelines.journal.records import RunBegun, StepEnded
from aexl_pipelines.language.model import Pipeline, PromptBody
from aexl_pipelines.language.parts import Resume

_MOST: Final = 100
"""Runs to look back: one that broke off early has left no session."""


def in_session(pipeline: Pipeline, begun: RunBegun, ports: Ports) -> Pipeline:
    """Return a pipeline whose first prompt goes on in an agent's session, where it follows a run and its runner can."""
    first = pipeline.steps[0] if pipeline.steps else None
    if begun.follows is None or first is None or not isinstance(first.body, PromptBody) or first.resume is not None:
        return pipeline
    settings = settings_of(first, pipeline, begun.options, ports.environ.get("AIL_DEFAULT_RUNNER"))
    if Ability.RESUME not in ports.agents.runner(settings.runner).capabilities:
        return pipeline
    return msgspec.structs.replace(
        pipeline, steps=(msgspec.structs.replace(first, resume=Resume()), *pipeline.steps[1:])
    )


async def take_sessions(run: Run, flow: Flow) -> None:
    """Give a run's first flow the sessions of the run that it follows, with their homes."""
    earlier = run.state.begun.follows if run.state.begun is not None else None
    if earlier is not None:
        flow.sessions.update(await trio.to_thread.run_sync(_take, run.home, earlier, run.folder / "homes"))


def _take(home: Path, earlier: str, homes: Path) -> dict[str, SessionRef]:
    """Copy the homes of an earlier run's first sessions, one of each runner; nothing else may use the originals."""
    run: str | None = earlier
    for _ in range(_MOST):
        if run is None:
            break
        folder = runs_folder(home) / run
        try:
            records = [written.record for written in read_records(folder)]
        except (NotFound, Invalid):  # it was removed, or cannot be read: the conversation begins anew
            break
        found: dict[str, SessionRef] = {}
        for record in records:
            session = session_of(record) if isinstance(record, StepEnded) and "::" not in record.step else None
            if session is not None:
                found.setdefault(session.runner, session)
        for session in found.values():
            source, target = folder / "homes" / session.home, homes / session.home
            if source.is_dir() and not target.exists():  # a runner without a process needs none; a resumed run has it
                shutil.copytree(source, target, symlinks=True)
        if found:
            return found
        run = next((record.follows for record in records if isinstance(record, RunBegun)), None)
    return {}
