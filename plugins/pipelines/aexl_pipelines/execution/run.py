"""A run while it goes on: what all its steps share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.api import Host
from aexl.api.governed import Access
from aexl.api.runners import RunnerEvent, Text
from aexl.api.work import ObjectId
from aexl.errors import Conflict, Invalid, Unavailable
from aexl_pipelines.execution.accounting import Account
from aexl_pipelines.execution.masking import Masker
from aexl_pipelines.execution.outcomes import End, Work
from aexl_pipelines.execution.ports import Ports, RunGovernor
from aexl_pipelines.execution.recent import Recent
from aexl_pipelines.execution.settings import Settings, settings_of
from aexl_pipelines.execution.state import RunState
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.journal.lines import Written
from aexl_pipelines.journal.records import (
    BranchTaken,
    GateDecided,
    GateOpened,
    Noted,
    Progress,
    Record,
    RunBegun,
    RunEnded,
    RunOptions,
    RunResumed,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.journal.writing import Journal
from aexl_pipelines.language.expressions.references import Reference
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.model import Pipeline, PipelineTarget, Step
from aexl_pipelines.language.parts import Budget, Part
from aexl_pipelines.language.templates import Template

WRITE_LIMIT: Final = 5.0
"""Seconds that the records of a cancelled run have to become durable."""

Walk = Callable[["Run", Sequence[Step], Flow], Awaitable[End | None]]
Call = Callable[["Run", Flow, str, PipelineTarget, str], Awaitable[Work]]


@dataclass(slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        path: The pipeline's file, and ``name`` which of its pipelines runs.
        pipeline: What runs; another one after ``reload_self``.
        common: The values that are the same everywhere.
        recent: Snapshots of a moment ago, shared with the runs that it calls.
        before: The snapshot of the project when the run began.
        walk: Runs a list of steps; ``call`` runs another pipeline. Here, because lists have loops in them, and loops
            have lists.
        wants_diff: Some name in the pipeline asks for a diff; ``wants_turns`` likewise for what was said.
        reloads: How often the pipeline was read again.
    """

    id: str
    folder: Path
    home: Path
    project: Path
    host: Host
    ports: Ports
    journal: Journal
    loaded: Loaded
    pipeline: Pipeline
    options: RunOptions
    prompt: str
    inputs: Mapping[str, object]
    state: RunState
    account: Account
    masker: Masker
    walk: Walk
    call: Call
    path: Path | None = None
    name: str | None = None
    depth: int = 0
    parent: Run | None = None
    governed: RunGovernor | None = None
    common: dict[str, object] = field(default_factory=dict)
    recent: Recent = field(default_factory=Recent)
    before: ObjectId | None = None
    wants_diff: bool = False
    wants_turns: bool = False
    reloads: int = 0

    def now(self) -> float:
        """Return the Unix time."""
        return self.ports.clock.now()

    def settings(self, step: Step) -> Settings:
        """Return what counts for a step."""
        return settings_of(step, self.pipeline, self.options, self.ports.environ.get("AIL_DEFAULT_RUNNER"))

    async def emit(self, record: Record, *, unlogged: bool = False) -> None:
        """Write a record down, without secrets, and tell everybody, in this order.

        Args:
            unlogged: Its texts are not kept (``log: false``); they are known as long as this process drives the run.

        Raises:
            Unavailable: If it cannot be written.
        """
        self.recent.hear(record)
        masked = self.masker.record(record)
        kept = without_texts(masked) if unlogged else masked
        await self._keep(masked)

        def tell(number: int) -> None:
            self.state.apply(Written(number, masked))
            for observer in self.ports.observers:
                observer.see(self.id, kept)

        await self.journal.append(kept, tell)
        if self.governed is not None and isinstance(record, RunBegun | RunResumed | GateDecided | RunEnded):
            await self.governed.record(kept)

    async def emit_last(self, record: Record, *, unlogged: bool = False) -> None:
        """Write a record down although this task is being cancelled."""
        with trio.move_on_after(WRITE_LIMIT, shield=True):
            await self.emit(record, unlogged=unlogged)

    async def _keep(self, record: Record) -> None:
        """Keep the snapshots that a record names from being thrown away."""
        names = ("before", "after", "base", "theirs", "snapshot")
        found = [value for name in names if (value := getattr(record, name, None)) is not None]
        if found:
            await self.ports.trees.keep(self.id, found)

    def show(self, address: str, event: RunnerEvent) -> None:
        """Tell everybody what an agent does. Must not wait."""
        masked = self.masker.record(event)
        for observer in self.ports.observers:
            observer.see(self.id, Progress(step=address, event=masked))

    def say(self, address: str, text: str) -> None:
        """Tell everybody what a program says, already without secrets. Must not wait."""
        if text:
            for observer in self.ports.observers:
                observer.see(self.id, Progress(step=address, event=Text(text)))

    @property
    def is_governed(self) -> bool:
        """A server's budgets and tokens stand for what is logged in on this machine."""
        return self.governed is not None and bool(self.governed.agent)

    @asynccontextmanager
    async def access(
        self, address: str, budget: Budget | None, own: Access | None = None
    ) -> AsyncIterator[Access | None]:
        """Give an attempt of a step its way to models: the server's where the run is governed, else ``own``.

        Raises:
            Invalid: If the step names an endpoint of its own although the run must be governed.
        """
        if own is not None and self.options.govern:
            raise Invalid(f"the run is governed, so the step {address!r} cannot have a base_url of its own")
        if self.governed is None or own is not None:
            yield own
            return
        async with self.governed.step(address, budget) as given:
            yield given

    async def capture(self, folder: Path, message: str, *, fresh: bool = True) -> ObjectId | None:
        """Return a snapshot of a folder as it is now; ``None`` where there can be none, which is noted.

        Args:
            fresh: Without it, one that was taken a moment ago will do.
        """
        found = await self.try_capture(folder, message, fresh=fresh)
        if isinstance(found, Noted):
            await self.emit(found)
            return None
        return found

    async def try_capture(self, folder: Path, message: str, *, fresh: bool = True) -> ObjectId | Noted | None:
        """Return the same, or a note that is to be written down."""
        known = None if fresh else self.recent.find(folder, trio.current_time())
        if known is not None:
            return known
        try:
            found = await self.ports.trees.capture(folder, message)
        except (Conflict, Invalid, Unavailable) as error:
            return Noted(at=self.now(), text=f"there is no snapshot {message}: {error}")
        if found is not None:
            self.recent.take(folder, found, trio.current_time())
        return found

    async def changed_paths(self, before: ObjectId | None, after: ObjectId | None) -> tuple[str, ...]:
        """Return the paths that differ between two snapshots; nothing where there are none."""
        if before is None or after is None or before == after:
            return ()
        return tuple(change.path for change in await self.ports.trees.changed(before, after))

    def values(self, flow: Flow, *, code_changed: bool = False) -> dict[str, object]:
        """Return what names stand for."""
        return flow.values(self.common, code_changed=code_changed)


def without_texts(record: Record) -> Record:
    """Return a record that says only that something happened."""
    match record:
        case StepBegun():
            return msgspec.structs.replace(record, text="", title="")
        case StepEnded():
            return msgspec.structs.replace(
                record,
                prompt=None,
                response=None,
                structured=None,
                stdout=None,
                stderr=None,
                outputs={},
                tools=(),
                dialogue=(),
            )
        case GateOpened():
            gate = msgspec.structs.replace(record.gate, text="", content="")
            return msgspec.structs.replace(record, gate=gate)
        case BranchTaken():
            return msgspec.structs.replace(record, message="")
        case _:
            return record


def asks_for(value: object, field_name: str) -> bool:
    """Say whether some name in a part of a pipeline asks for a field of a step."""
    match value:
        case Template():
            return any(
                field_name in place.value.parts[2:]
                for place in value.substitutions
                if isinstance(place.value, Reference)
            )
        case Reference():
            return field_name in value.parts[2:]
        case Part():
            return any(asks_for(getattr(value, name), field_name) for name in value.__struct_fields__)
        case Mapping():
            return any(asks_for(each, field_name) for each in value.values())
        case list() | tuple():
            return any(asks_for(each, field_name) for each in value)
        case _ if hasattr(value, "__dataclass_fields__"):
            return any(asks_for(getattr(value, name), field_name) for name in value.__dataclass_fields__)
        case _:
            return False
