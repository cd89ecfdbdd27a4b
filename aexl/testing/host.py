"""A host for the tests of one plugin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from aexl.api import Answer, BlobStore, Call, ConnectorType, Host, Process, ProcessSpec, Runner, StepType, Upstream
from aexl.errors import Refused

T = TypeVar("T")


class FakeConfig:
    """A configuration made of objects: what is not given has the model's defaults.

    Args:
        sections: Instances of section models.
        mappings: Entries of keyed sections, by their model.
        secrets: Environment variables that hold secrets.
    """

    def __init__(
        self,
        *sections: object,
        mappings: Mapping[type[object], Mapping[str, object]] | None = None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self.secrets = secrets
        self._sections = {type(section): section for section in sections}
        self._mappings = dict(mappings or {})

    def section(self, model: type[T]) -> T:
        found = self._sections.get(model)
        return found if isinstance(found, model) else model()

    def mapping(self, model: type[T]) -> Mapping[str, T]:
        entries = self._mappings.get(model, {})
        return {
            name: entry if isinstance(entry, model) else msgspec.convert(entry, model)
            for name, entry in entries.items()
        }


class FakeHost:
    """Holds still: remembers what a plugin tells it, and hands out what a test put in.

    Attributes:
        services: What ``service`` answers, by role.
        published: Every event, in order.
        interrupted: Agents and verdicts of ``interrupt``.
        upstream: The transport that ``transport`` answers with; ``httpx.ASGITransport``
            or ``httpx.MockTransport`` over a scripted server will do.
        offered_runners: What ``runners`` answers, by name; ``offered_step_types``, ``offered_stores`` and
            ``offered_connectors`` likewise.
    """

    def __init__(self, data_dir: Path, *, config: FakeConfig | None = None) -> None:
        self.data_dir = data_dir
        self.version = "0.0.0"
        self.current = config or FakeConfig()
        self.services: dict[type[object], object] = {}
        self.published: list[object] = []
        self.interrupted: list[tuple[str, Refused]] = []
        self.upstream: httpx.AsyncBaseTransport | None = None
        self.answers: list[AbstractAsyncContextManager[Answer]] = []
        self.calls: list[Call] = []
        self.offered_runners: dict[str, Runner] = {}
        self.offered_step_types: dict[str, StepType] = {}
        self.offered_stores: dict[str, Callable[[str], Awaitable[BlobStore]]] = {}
        self.offered_connectors: dict[str, ConnectorType] = {}

    def service(self, role: type[T]) -> T | None:
        return self.services.get(role)  # type: ignore[return-value]  # a test puts in what plays the role

    def runners(self) -> Mapping[str, Runner]:
        return self.offered_runners

    def stores(self) -> Mapping[str, Callable[[str], Awaitable[BlobStore]]]:
        return self.offered_stores

    def connectors(self) -> Mapping[str, ConnectorType]:
        return self.offered_connectors

    def step_types(self) -> Mapping[str, StepType]:
        return self.offered_step_types

    def call(self, call: Call) -> AbstractAsyncContextManager[Answer]:
        self.calls.append(call)
        return self.answers.pop(0)

    def spawn(self, spec: ProcessSpec) -> AbstractAsyncContextManager[Process]:
        from aexl.core.processes.running import spawn

        return spawn(spec)

    async def end_remains(self, mark: str) -> int | None:
        from aexl.core.processes.remains import end_remains

        return await end_remains(mark)

    def transport(self, upstream: Upstream) -> httpx.AsyncBaseTransport:  # noqa: ARG002 - a test decides
        assert self.upstream is not None, "the test must set FakeHost.upstream"
        return self.upstream

    def interrupt(self, agent: str, verdict: Refused) -> int:
        self.interrupted.append((agent, verdict))
        return 0

    def publish(self, event: object) -> None:
        self.published.append(event)


def _conforms(host: FakeHost) -> Host:
    return host
