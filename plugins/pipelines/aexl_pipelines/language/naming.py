"""Ids of steps: what they are called within their list, and what from outside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from aexl_pipelines.language.model import DoWhileBody, ForEachBody, Step


def with_paths(steps: Sequence[Step], prefix: str = "") -> tuple[Step, ...]:
    """Return steps with their paths: ``loop::fix``, ``review::then::0``. An entry of a chain without an id gets one."""
    return tuple(_placed(step, f"{prefix}{step.id}") for step in steps)


def _placed(step: Step, path: str) -> Step:
    body = step.body
    if isinstance(body, DoWhileBody | ForEachBody):
        body = msgspec.structs.replace(body, steps=with_paths(body.steps, f"{path}::"))
    return msgspec.structs.replace(
        step,
        path=path,
        body=body,
        before=_chain(step, path, "before", step.before),
        then=_chain(step, path, "then", step.then),
    )


def _chain(step: Step, path: str, name: Literal["before", "then"], entries: Sequence[Step]) -> tuple[Step, ...]:
    placed = []
    for number, entry in enumerate(entries):
        label = entry.id or str(number)
        named = entry if entry.id else msgspec.structs.replace(entry, id=f"{step.id}::{name}::{number}")
        placed.append(_placed(named, f"{path}::{name}::{label}"))
    return tuple(placed)
