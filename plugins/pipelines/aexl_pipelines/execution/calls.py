"""Steps that run another pipeline: which one it is, and what it is called with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.errors import Invalid, NotFound
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.outcomes import Work
from aexl_pipelines.execution.rendering import render
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.model import Pipeline, PipelineBody, PipelineTarget

DEEPEST: Final = 16
"""Runs that call one another."""


async def call_pipeline(instance: Instance) -> Work:
    """Run another pipeline as a run of its own."""
    body = instance.step.body
    assert isinstance(body, PipelineBody)
    prompt = instance.flow.last if instance.flow.last is not None else instance.run.prompt
    if body.prompt is not None:
        prompt = render(instance, body.prompt.template)
    await instance.begin(prompt)
    return await instance.run.call(instance.run, instance.flow, instance.address, body.target, prompt)


class Callee(msgspec.Struct, frozen=True):
    """A pipeline that is called: what it says, the files that it was loaded with, and its name where it has one."""

    pipeline: Pipeline
    loaded: Loaded
    name: str | None = None
    path: Path | None = None


async def find_callee(run: Run, flow: Flow, target: PipelineTarget) -> Callee:
    """Return the pipeline that a step means.

    Raises:
        Invalid: If runs would call one another too deep.
        NotFound: If there is no such pipeline.
        InvalidPipeline: If a file that was not known before has problems.
        Unresolved: If a name in its path stands for nothing.
    """
    if run.depth + 1 > DEEPEST:
        raise Invalid(f"more than {DEEPEST} pipelines call one another")
    if target.name is not None:
        steps = run.pipeline.pipelines.get(target.name)
        if steps is None:
            raise NotFound(f"there is no pipeline {target.name!r} in {run.pipeline.file}")
        return Callee(msgspec.structs.replace(run.pipeline, steps=steps), run.loaded, target.name, run.path)
    path = Path(target.file) if target.file is not None else _path(run, flow, target)
    found = run.loaded.child(str(path))
    if found is not None:
        return Callee(found, run.loaded, None, path)
    if run.ports.load is None:
        raise NotFound(f"there is no pipeline file {path}")
    loaded = await trio.to_thread.run_sync(run.ports.load, path)
    return Callee(loaded.unwrap(), loaded, None, path)


def _path(run: Run, flow: Flow, target: PipelineTarget) -> Path:
    assert target.path is not None
    text = target.path.render(run.values(flow)).strip()
    folder = Path(run.pipeline.folder) if run.pipeline.folder is not None else flow.folder
    return folder / Path(text).expanduser()
