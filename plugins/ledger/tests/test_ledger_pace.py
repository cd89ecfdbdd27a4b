"""Who waits for the disk: the loop while it is quick, the thread otherwise."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import pytest
import trio

from aexl.api import Hold, NewAgent
from aexl.testing.factories import make_call, make_outcome, make_plan
from aexl_ledger.book import Ledger
from aexl_ledger.options import LedgerOptions
from aexl_ledger.pace import PROBATION, QUICK_SECONDS, Pace
from aexl_ledger.roles import LedgerAccounts
from aexl_ledger.sqlite import SqliteDriver
from aexl_ledger.writer import IDLE_PASS, MOST_PASSES

OPTIONS = LedgerOptions(low_water=0, ballast=0)


class Disk:
    """Syncs, as slowly as it is told to, and remembers which thread waited."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.broken = False
        self.waited: list[int] = []

    def sync(self, fd: int) -> None:
        self.waited.append(threading.get_ident())
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        if self.broken:
            self.broken = False
            raise OSError(errno.EIO, "injected")

    @property
    def last_by_loop(self) -> bool:
        return self.waited[-1] == threading.get_ident()


class Resting(SqliteDriver):
    """Says when it is asked to do what may wait."""

    def __init__(self, path: Path, disk: Disk) -> None:
        super().__init__(path, OPTIONS, sync=disk.sync)
        self.rested = threading.Event()

    def maintain(self, idle: bool) -> None:
        super().maintain(idle)
        if idle:
            self.rested.set()


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def driver(tmp_path: Path, disk: Disk) -> Resting:
    return Resting(tmp_path / "ledger.db", disk)


@pytest.fixture
def ledger(tmp_path: Path, driver: Resting) -> Ledger:
    return Ledger(tmp_path / "ledger.db", OPTIONS, driver=driver)


async def spend(ledger: Ledger, times: int) -> None:
    for _ in range(times):
        hold = await ledger.reserve(make_call(), make_plan())
        assert isinstance(hold, Hold)
        await ledger.settle(hold, make_outcome(), None)


async def settle_down(ledger: Ledger, disk: Disk) -> None:
    """Spend until the loop has waited; a busy machine may make a flush slow that is not."""
    await LedgerAccounts(ledger).create(NewAgent(name="alice", budget=None))
    for _ in range(50):
        await spend(ledger, PROBATION)
        if disk.last_by_loop:
            return
    pytest.fail("the loop never waits for a disk that takes no time")


@pytest.mark.parametrize(("seconds", "quick"), [(QUICK_SECONDS, True), (QUICK_SECONDS * 1.01, False)])
def test_a_flush_is_quick_up_to_the_limit(seconds, quick):
    pace = Pace()
    for _ in range(PROBATION):
        pace.see(seconds)
    assert pace.quick is quick


def test_it_takes_all_of_the_probation_to_be_quick_again():
    pace = Pace()
    for _ in range(PROBATION - 1):
        pace.see(0.0)
    assert not pace.quick
    pace.see(0.0)
    assert pace.quick
    pace.see(1.0)
    assert not pace.quick
    for _ in range(PROBATION - 1):
        pace.see(0.0)
    assert not pace.quick


async def test_the_loop_waits_for_a_quick_disk_and_not_for_a_slow_one(ledger, disk):
    async with ledger.running():
        await settle_down(ledger, disk)
        assert disk.waited[0] != threading.get_ident()
        disk.seconds = 2 * QUICK_SECONDS
        await spend(ledger, PROBATION)
        by_loop = [thread == threading.get_ident() for thread in disk.waited[-2 * PROBATION :]]
    assert sum(by_loop) <= 1  # the one that showed how slow it has become


async def test_a_sync_that_fails_in_the_loop_is_resolved_as_in_the_thread(ledger, disk):
    async with ledger.running():
        await settle_down(ledger, disk)
        before = (await LedgerAccounts(ledger).get("alice")).spent
        while True:  # a busy machine may have sent the thread back to work
            disk.broken = True
            await spend(ledger, 1)
            if disk.waited[-2] == threading.get_ident() or disk.last_by_loop:
                break
            before += make_outcome().charge.amount
        agent = await LedgerAccounts(ledger).get("alice")
    assert (agent.spent, agent.reserved) == (before + make_outcome().charge.amount, 0)


@pytest.mark.parametrize("threaded", [True, False])
@pytest.mark.parametrize(("passes", "flushes"), [(MOST_PASSES - 4, 1), (MOST_PASSES + 4, 2)])
async def test_a_flush_waits_for_other_work_of_the_loop_but_not_for_ever(
    tmp_path, driver, disk, passes, flushes, threaded
):
    ledger = Ledger(tmp_path / "ledger.db", OPTIONS, driver=driver, threaded=threaded)

    async def work_then_reserve():
        for _ in range(passes):
            end = time.perf_counter() + 2 * IDLE_PASS
            while time.perf_counter() < end:
                pass
            await trio.lowlevel.checkpoint()
        await ledger.reserve(make_call(), make_plan())

    async with ledger.running():
        await LedgerAccounts(ledger).create(NewAgent(name="alice", budget=None))
        before = len(disk.waited)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ledger.reserve, make_call(), make_plan())
            nursery.start_soon(work_then_reserve)
        assert len(disk.waited) - before == flushes


@pytest.mark.slow
async def test_what_may_wait_is_done_when_the_loop_has_stored_the_last_batch(ledger, driver, disk):
    async with ledger.running():
        await settle_down(ledger, disk)
        driver.rested.clear()
        await spend(ledger, 1)
        assert driver.rested.wait(5)
