"""Pipelines over HTTP: is one valid, and what does it say with all that it inherits."""

from __future__ import annotations

import trio
from starlette.responses import Response

from aexl_pipelines.language.discovery import find_all, find_default
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.planning import all_steps
from aexl_pipelines.language.writing import write_resolved
from aexl_pipelines.serving.answering import json, problem_fields
from aexl_pipelines.serving.bodies import PipelineChoice
from aexl_pipelines.serving.endpoints import Ask, Sendable
from aexl_pipelines.serving.fields import Fields
from aexl_pipelines.serving.places import ServerLoader, allowed_folders, check_folder


async def listed(ask: Ask) -> Sendable:
    """List pipelines that have a name."""
    return json({"pipelines": await trio.to_thread.run_sync(_list, ask)})


def _list(ask: Ask) -> list[Fields]:
    host, given = ask.station.host, ask.query.get("folder")
    anywhere = given is not None or len(allowed_folders(host)) == 1
    here = check_folder(host, given) if anywhere else host.data_dir
    default = find_default(here, host.data_dir)
    return [
        {"name": each.name, "path": str(each.path), "where": each.where, "default": each.path == default}
        for each in find_all(here, host.data_dir)
    ]


async def validate(ask: Ask) -> Sendable:
    """Check a pipeline."""
    loaded = await trio.to_thread.run_sync(_load, ask)
    notes = [problem_fields(note) for note in loaded.notes]
    if loaded.pipeline is not None:
        steps = sum(1 for _ in all_steps(loaded.pipeline))
        return json({"valid": True, "step_count": steps, "warnings": notes})
    errors = [problem_fields(problem) for problem in loaded.problems]
    return json({"valid": False, "errors": errors, "dropped": loaded.dropped, "warnings": notes}, 422)


async def materialize(ask: Ask) -> Sendable:
    """Resolve a pipeline."""
    text = await trio.to_thread.run_sync(_resolve, ask)
    return Response(text, headers={"cache-control": "no-store"}, media_type="application/yaml")


def _load(ask: Ask) -> Loaded:
    wanted = ask.body
    assert isinstance(wanted, PipelineChoice)
    alone = wanted.folder is None and wanted.pipeline_inline is not None and len(allowed_folders(ask.station.host)) != 1
    folder = None if alone else check_folder(ask.station.host, wanted.folder)
    return ServerLoader(ask.station.host, folder).wanted(wanted.pipeline_path, wanted.pipeline_inline)


def _resolve(ask: Ask) -> str:
    loaded = _load(ask)
    loaded.unwrap()
    return write_resolved(loaded, None)
