"""Reading the pipeline again while it runs, and keeping what was read, so that a resumed run has the same."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.errors import Invalid
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.outcomes import Work
from aexl_pipelines.execution.run import Run, asks_for
from aexl_pipelines.execution.sources import keep_sources, read_sources
from aexl_pipelines.journal.records import PipelineReloaded
from aexl_pipelines.language.loading import Loaded

MOST: Final = 16
"""Times that a run reads its pipeline again."""


async def reload_now(instance: Instance) -> Work:
    """Read the run's own file again; steps behind this one are those of the new one.

    Raises:
        Invalid: If there is no file, or it was read too often.
        InvalidPipeline: If it has problems; the run goes on with none of it.
    """
    run = instance.run
    if run.path is None or run.name is not None or run.ports.load is None:
        raise Invalid("reload_self: the run has no file of its own to read again")
    if run.reloads >= MOST:
        raise Invalid(f"reload_self: the pipeline was read again {MOST} times already")
    before = len(run.pipeline.steps)
    loaded = await trio.to_thread.run_sync(run.ports.load, Path(run.path))
    steps = loaded.unwrap().steps
    digest = await trio.to_thread.run_sync(keep_sources, run.folder, loaded)
    take(run, loaded)
    await run.emit(PipelineReloaded(at=run.now(), step=instance.address, digest=digest))
    return Work(response=f"reloaded pipeline ({before} -> {len(steps)} steps)")


async def reload_known(run: Run, digest: str) -> None:
    """Go on with the pipeline that was read when this step ran, in another process."""
    if run.ports.load is None or run.path is None:
        raise Invalid("the pipeline that was read while the run went on cannot be read here")
    known = await trio.to_thread.run_sync(read_sources, run.folder, digest)
    loaded = await trio.to_thread.run_sync(run.ports.load, Path(run.path), known)
    take(run, loaded)


def take(run: Run, loaded: Loaded) -> None:
    """Let a run go on with another pipeline; its first step was done already."""
    pipeline = loaded.unwrap()
    steps = pipeline.steps
    if run.pipeline.steps[:1] and run.pipeline.steps[0].id == "invocation" and steps[0].id != "invocation":
        steps = (run.pipeline.steps[0], *steps)
    run.loaded, run.pipeline = loaded, msgspec.structs.replace(pipeline, steps=steps)
    run.reloads += 1
    run.wants_diff = run.wants_diff or asks_for(run.pipeline, "diff")
    run.wants_turns = run.wants_turns or asks_for(run.pipeline, "turns")
