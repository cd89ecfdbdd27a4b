"""What the driver does when the disk fails, fills up, or loses its power. No loop: batches by hand."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import subprocess
from pathlib import Path

import apsw
import pytest

from aexl.api import Booked, Hold, NewAgent
from aexl.errors import Unavailable
from aexl.testing.disk import FailAt, FaultyDisk, Recorded
from aexl.testing.factories import make_call, make_outcome, make_plan
from aexl_ledger.aftermath import Recover
from aexl_ledger.agents import CreateAgent, ReadAgent
from aexl_ledger.driver import DiskFull, StorageFailed
from aexl_ledger.executions import Reserve, Settle
from aexl_ledger.options import LedgerOptions
from aexl_ledger.sqlite import SqliteDriver
from aexl_ledger.verify import verify

PLAN = make_plan()
OPTIONS = LedgerOptions(low_water=0, ballast=0)
names = (f"disk-{number}" for number in itertools.count())


def reserve() -> Reserve:
    return Reserve(make_call(), PLAN, 10**9)


def settle(hold: Hold) -> Settle:
    return Settle(hold.execution, make_outcome(), None, None, 10**9)


class Acknowledged:
    """What the driver said is stored."""

    def __init__(self) -> None:
        self.agent = False
        self.holds: list[Hold] = []
        self.booked: list[Booked] = []


def work(driver: SqliteDriver, rounds: int = 4, note=lambda _: None) -> Acknowledged:
    """Reserve and settle, with checkpoints between; remember what was acknowledged."""
    said = Acknowledged()
    for _ in range(2):
        if not said.agent:
            [created] = driver.execute([CreateAgent(NewAgent(name="alice", budget=1000 * PLAN.hold))]).results
            said.agent = not isinstance(created, Exception)
    for _ in range(rounds):
        holds = [hold for hold in driver.execute([reserve(), reserve()]).results if isinstance(hold, Hold)]
        said.holds += holds
        note(said)
        results = driver.execute([settle(hold) for hold in holds[:1]]).results
        said.booked += [booked for booked in results if isinstance(booked, Booked)]
        note(said)
        driver.maintain(True)
    return said


def check(path: Path, said: Acknowledged) -> None:
    """Open the ledger again: it verifies, and has all that was acknowledged, once."""
    driver = SqliteDriver(path, OPTIONS)
    open_executions = [str(execution) for execution in driver.open().results]
    driver.execute([Recover(execution) for execution in open_executions])
    assert driver.execute([Recover(execution) for execution in open_executions]).changes.balances == ()
    driver.close()
    verdict = verify(path)
    assert verdict.ok, verdict.detail
    with_connection = apsw.Connection(str(path))
    stored = dict(with_connection.execute("SELECT id, state FROM executions"))
    assert set(stored.values()) <= {"committed", "released"}
    assert {hold.execution for hold in said.holds} <= set(stored)
    assert {booked.execution for booked in said.booked} <= set(stored)
    ends = with_connection.execute("SELECT count(*) FROM events WHERE kind = 'execution.committed'").fetchone()[0]
    assert ends == sum(state == "committed" for state in stored.values())
    assert with_connection.execute("SELECT sum(reserved) FROM agents").fetchone()[0] in (0, None)
    with_connection.close()


def fail_at(folder: Path, number: int, error: type[Exception], once: bool) -> bool:
    """Run the work on a disk that fails; return whether it did."""
    folder.mkdir()
    path = folder / "ledger.db"
    first = SqliteDriver(path, OPTIONS)
    first.open()
    first.close()  # from here on the schema is there
    fault = FailAt(number, error, once)
    disk = FaultyDisk(next(names), fault)
    fault.on = False
    driver = SqliteDriver(path, OPTIONS, vfs=disk.name, sync=disk.sync)
    driver.open()
    fault.on = True
    said = work(driver)
    fault.on = False
    results = driver.execute([ReadAgent("alice")] if said.agent else []).results
    assert not any(isinstance(result, StorageFailed) for result in results), "a disk that works again is used again"
    driver.close()
    check(path, said)
    shutil.rmtree(folder)
    return fault.seen >= number


def failing_all(folder: Path, step: int, first: int, errors: list[type[Exception]]) -> int:
    tried = 0
    for error in errors:
        for once in (True, False):
            number = first
            while fail_at(folder / f"{error.__name__}-{once}-{number}", number, error, once):
                number += step
                tried += 1
    return tried


ERRORS: list[type[Exception]] = [apsw.IOError, apsw.FullError]


@pytest.mark.slow
def test_a_write_or_sync_that_fails_loses_and_doubles_nothing(tmp_path):
    assert failing_all(tmp_path, step=31, first=1, errors=ERRORS) > 10


@pytest.mark.long
def test_every_write_and_sync_may_fail(tmp_path):
    assert failing_all(tmp_path, step=1, first=1, errors=ERRORS) > 200


def explore(folder: Path, states: int, seed: int) -> int:
    """Cut the power at many points of one run; every acknowledged operation must be there."""
    chance = random.Random(seed)
    recorded = Recorded()
    disk = recorded.disk(next(names))
    source = folder / f"run-{seed}"
    source.mkdir()
    moments: list[tuple[int, int, int]] = []
    driver = SqliteDriver(source / "ledger.db", OPTIONS, vfs=disk.name, sync=disk.sync)
    driver.open()
    opened = len(recorded.log)
    kept: list[Acknowledged] = []

    def note(said: Acknowledged) -> None:
        kept[:] = [said]
        moments.append((len(recorded.log), len(said.holds), len(said.booked)))

    work(driver, rounds=6, note=note)
    final = kept[0]
    for number in range(states):
        upto = chance.randint(opened, len(recorded.log))
        holds, booked = max(((h, b) for at, h, b in moments if at <= upto), default=(0, 0))
        said = Acknowledged()
        said.holds, said.booked = final.holds[:holds], final.booked[:booked]
        target = folder / f"cut-{seed}-{number}"
        target.mkdir()
        for name, data in recorded.survivors(upto, chance).items():
            if name.startswith("ledger.db"):
                (target / name).write_bytes(data)
        check(target / "ledger.db", said)
        shutil.rmtree(target)
    driver.close()
    return states


@pytest.mark.slow
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path):
    assert explore(tmp_path, states=60, seed=1) == 60


@pytest.mark.long
def test_ten_thousand_power_cuts(tmp_path):
    assert sum(explore(tmp_path, states=200, seed=seed) for seed in range(50)) == 10_000


def test_a_commit_that_failed_after_it_was_stored_is_found_again(tmp_path):
    """The sync of the log fails once, after the commit's frame was written."""
    fault = FailAt(10**9, apsw.IOError, once=True)
    disk = FaultyDisk(next(names), fault)
    driver = SqliteDriver(tmp_path / "ledger.db", OPTIONS, vfs=disk.name, sync=disk.sync)
    driver.open()
    driver.execute([CreateAgent(NewAgent(name="alice", budget=None))])

    def fail_next_sync(what: str, name: str) -> None:
        if what == "sync" and name.endswith("-wal"):
            disk.before = lambda _what, _name: None
            raise apsw.IOError("injected")

    disk.before = fail_next_sync
    [hold] = driver.execute([reserve()]).results
    [agent] = driver.execute([ReadAgent("alice")]).results
    if isinstance(hold, Hold):
        assert agent.reserved == PLAN.hold
    else:
        assert isinstance(hold, StorageFailed)
        assert agent.reserved == 0
    driver.close()
    assert verify(tmp_path / "ledger.db").ok


def test_an_operation_that_breaks_half_way_does_not_sink_its_batch(tmp_path):
    class Breaks(Reserve):
        def finish(self, state, receipts, now):
            raise RuntimeError("a bug")

    driver = SqliteDriver(tmp_path / "ledger.db", OPTIONS)
    driver.open()
    driver.execute([CreateAgent(NewAgent(name="alice", budget=None))])
    first, broken, last = driver.execute([reserve(), Breaks(make_call(), PLAN, 1), reserve()]).results
    assert isinstance(first, Hold)
    assert isinstance(broken, RuntimeError)
    assert isinstance(last, Hold)
    assert last.receipt.seq == first.receipt.seq + 1
    [agent] = driver.execute([ReadAgent("alice")]).results
    assert agent.reserved == 2 * PLAN.hold
    driver.close()
    assert verify(tmp_path / "ledger.db").ok


def test_a_rule_of_the_tables_that_is_broken_hits_only_its_operation(tmp_path):
    """The unique index on settlements holds even where the code does not."""

    class EndsTwice(Settle):
        def decide(self, state, now):
            drafts = super().decide(state, now)
            _, subject, data = drafts[-1]
            return [*drafts, ("execution.denied", subject, {**data, "code": "x", "model": "x"})]

    driver = SqliteDriver(tmp_path / "ledger.db", OPTIONS)
    driver.open()
    driver.execute([CreateAgent(NewAgent(name="alice", budget=None))])
    one, two = driver.execute([reserve(), reserve()]).results
    bad, good = driver.execute([EndsTwice(one.execution, make_outcome(), None, None, 1), settle(two)]).results
    assert isinstance(bad, StorageFailed)
    assert isinstance(good, Booked)
    driver.close()
    assert verify(tmp_path / "ledger.db").ok


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until there is no space left."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


@pytest.mark.slow
def test_on_a_full_disk_open_holds_are_settled_and_new_calls_wait_for_space(small_disk, monkeypatch):
    monkeypatch.setattr("aexl_ledger.sqlite.SPACE_SECONDS", 0.0)
    driver = SqliteDriver(small_disk / "ledger.db", LedgerOptions(low_water=0))
    driver.open()
    assert (small_disk / "ledger.ballast").stat().st_size == 512 * 1024
    driver.execute([CreateAgent(NewAgent(name="alice", budget=None))])
    holds = [hold for _ in range(4) for hold in driver.execute([reserve() for _ in range(16)]).results]
    filler = small_disk / "filler"
    fill(filler)
    refused = [result for _ in range(40) for result in driver.execute([reserve() for _ in range(4)]).results]
    failed = [result for result in refused if not isinstance(result, Hold)]
    holds += [result for result in refused if isinstance(result, Hold)]
    assert failed
    assert all(isinstance(result, DiskFull) for result in failed)
    assert not (small_disk / "ledger.ballast").exists()
    booked = [driver.execute([settle(hold)]).results[0] for hold in holds]
    assert [type(each) for each in booked] == [Booked] * len(holds)
    assert driver.trouble is not None
    filler.unlink()
    [hold] = driver.execute([reserve()]).results
    assert isinstance(hold, Hold)
    assert driver.trouble is None
    assert (small_disk / "ledger.ballast").exists()
    driver.close()
    assert verify(small_disk / "ledger.db").ok


def test_below_the_low_water_mark_new_calls_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("aexl_ledger.sqlite.SPACE_SECONDS", 0.0)
    driver = SqliteDriver(tmp_path / "ledger.db", LedgerOptions(low_water=2**60))
    driver.open()
    [created] = driver.execute([CreateAgent(NewAgent(name="alice", budget=None))]).results
    assert isinstance(created, DiskFull)
    driver.close()


def test_a_ledger_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(Unavailable):
        SqliteDriver(tmp_path / "ledger.db", OPTIONS).open()


def test_a_log_that_cannot_be_synced_is_written_to_the_database_before_anybody_hears_of_it(tmp_path):
    """A sync that failed once proves nothing when it succeeds later: the pages may be clean, and lost."""
    broken = False

    def sync(fd: int) -> None:
        if broken:
            raise OSError(errno.EIO, "injected")
        os.fdatasync(fd)

    driver = SqliteDriver(tmp_path / "ledger.db", OPTIONS, sync=sync)
    driver.open()
    driver.execute([CreateAgent(NewAgent(name="alice", budget=None))])
    broken = True
    [hold] = driver.execute([reserve()]).results
    assert isinstance(hold, Hold)
    (tmp_path / "alone").mkdir()
    shutil.copy(tmp_path / "ledger.db", tmp_path / "alone")
    driver.close()
    survivor = SqliteDriver(tmp_path / "alone" / "ledger.db", OPTIONS)
    assert survivor.open().results == [hold.execution]
    survivor.close()
