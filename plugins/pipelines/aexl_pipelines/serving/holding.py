"""Holding back the next steps of a run: ``pause`` and ``resume`` of ail's protocol."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType

import trio

from aexl.api.governed import Access
from aexl_pipelines.execution.ports import Governor, RunGovernor
from aexl_pipelines.journal.records import Record, RunBegun
from aexl_pipelines.language.parts import Budget


class Brake:
    """Whether steps may begin."""

    def __init__(self) -> None:
        self._free = trio.Event()
        self._free.set()

    def hold(self, held: bool) -> None:
        """Hold back steps that have not begun, or let them begin. Must not wait."""
        if not held:
            self._free.set()
        elif self._free.is_set():
            self._free = trio.Event()

    async def passed(self) -> None:
        """Wait until steps may begin."""
        while not self._free.is_set():
            await self._free.wait()


class HeldGovernor:
    """A governor whose steps wait for a brake: what runs goes on to its end, and the next one does not begin."""

    def __init__(self, governor: Governor, brake: Brake) -> None:
        self._governor = governor
        self._brake = brake

    def run(self, begun: RunBegun, budget: Budget | None) -> AbstractAsyncContextManager[RunGovernor | None]:
        """Govern a run."""
        return _HeldContext(self._governor.run(begun, budget), self._brake)


class _HeldContext:
    def __init__(self, inner: AbstractAsyncContextManager[RunGovernor | None], brake: Brake) -> None:
        self._inner = inner
        self._brake = brake

    async def __aenter__(self) -> RunGovernor | None:
        governed = await self._inner.__aenter__()
        return None if governed is None else _HeldRun(governed, self._brake)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)


class _HeldRun:
    def __init__(self, governed: RunGovernor, brake: Brake) -> None:
        self._governed = governed
        self._brake = brake

    @property
    def agent(self) -> str:
        return self._governed.agent

    def step(self, address: str, budget: Budget | None) -> AbstractAsyncContextManager[Access | None]:
        return _HeldStep(self._governed.step(address, budget), self._brake)

    async def booked(self, address: str | None = None) -> int | None:
        return await self._governed.booked(address)

    async def record(self, record: Record) -> None:
        await self._governed.record(record)


class _HeldStep:
    def __init__(self, inner: AbstractAsyncContextManager[Access | None], brake: Brake) -> None:
        self._inner = inner
        self._brake = brake

    async def __aenter__(self) -> Access | None:
        await self._brake.passed()
        return await self._inner.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)
