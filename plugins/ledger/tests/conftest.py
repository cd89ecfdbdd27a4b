"""Ledgers for tests: with the thread, and in the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from aexl.testing.host import FakeHost
from aexl_ledger.book import Ledger
from aexl_ledger.options import LedgerOptions


class Clock:
    """A wall clock that a test sets; begins at 2026-03-10 12:00:00 UTC."""

    def __init__(self) -> None:
        self.micros = 1_773_144_000 * 1_000_000

    def __call__(self) -> int:
        return self.micros

    def forward(self, seconds: float) -> None:
        self.micros += round(seconds * 1_000_000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


async def serve(ledger: Ledger, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Keep a ledger open until the task is cancelled."""
    async with ledger.running():
        task_status.started()
        await trio.sleep_forever()


@pytest.fixture
def open_ledger(tmp_path: Path, clock: Clock, host: FakeHost, nursery: trio.Nursery) -> Callable[..., Any]:
    """Open a ledger in the test's folder; options are keywords."""

    async def open_it(*, threaded: bool = False, folder: Path = tmp_path, **options: Any) -> Ledger:
        values: dict[str, Any] = {"low_water": 0, "ballast": 0, **options}
        ledger = Ledger(folder / "ledger.db", LedgerOptions(**values), host=host, clock=clock, threaded=threaded)
        await nursery.start(serve, ledger)
        return ledger

    return open_it


@pytest.fixture
async def ledger(open_ledger: Callable[..., Any]) -> Ledger:
    opened: Ledger = await open_ledger()
    return opened
