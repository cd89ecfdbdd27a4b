"""What is told while something runs, and what the ledger hears afterwards."""

from __future__ import annotations

import pytest
from ledger import FakeJournal
from made import commit

from aexl.api import Journal
from aexl.errors import Invalid
from aexl.testing.blobs import FakeStore
from aexl_snapshots.events import record, record_gc
from aexl_snapshots.maintenance.gc import collect
from aexl_snapshots.options import SnapshotOptions
from aexl_snapshots.progress import INTERVAL, Meter
from aexl_snapshots.repository import Repository
from aexl_snapshots.sync.push import push


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_meter_tells_bytes_rate_and_time_left():
    clock, reports = Clock(), []
    meter = Meter(reports.append, clock=clock)
    meter.begin("pushing", 1000)
    for _ in range(4):
        clock.now += 1
        meter.add(100)

    assert [report.done for report in reports] == [0, 100, 200, 300, 400]
    assert reports[-1] == ("pushing", 400, 1000, 100.0, 6.0)


def test_a_meter_does_not_tell_more_often_than_people_look_but_always_the_end():
    clock, reports = Clock(), []
    meter = Meter(reports.append, clock=clock)
    meter.begin("pushing", 100)
    for _ in range(100):
        clock.now += INTERVAL / 10
        meter.add(1)

    assert 8 <= len(reports) <= 13
    assert reports[-1].done == 100


def test_a_rate_is_that_of_the_last_seconds():
    clock, reports = Clock(), []
    meter = Meter(reports.append, clock=clock)
    meter.begin("pushing")
    for step in range(20):
        clock.now += 1
        meter.add(1000 if step < 10 else 10)

    assert reports[-1].rate == pytest.approx(10)
    assert reports[-1].left is None


def test_a_total_may_grow():
    reports = []
    meter = Meter(reports.append)
    meter.begin("pulling")
    meter.grow(10)
    meter.add(10)
    assert (reports[-1].done, reports[-1].total) == (10, 10)


async def test_what_happened_is_recorded(tmp_path, fake_host):
    journal = fake_host.services[Journal] = FakeJournal()
    here, store = Repository.init(tmp_path), FakeStore()
    first = commit(here, {"a": b"1"})
    await push(here, store, "memory:", first)
    await record_gc(fake_host, "memory:", await collect(store, "memory:", grace=0))
    await record(fake_host, "restore", "x" * 300, {"to": first})

    assert [(event["kind"], event["subject"], event["data"]) for event in journal.events] == [
        ("snapshots.gc", "memory:", {"removed": 0, "bytes": 0, "packs": 1}),
        ("snapshots.restore", "x" * 200, {"to": first}),
    ]


async def test_without_a_ledger_nothing_is_recorded(fake_host):
    assert await record(fake_host, "tag", "v1", {}) is None


@pytest.mark.parametrize(
    "bad",
    [{"parallel": 0}, {"parallel": 17}, {"grace": -1}, {"grace": 1e12}, {"trusted": ("x",)}, {"trusted": ("A" * 64,)}],
)
def test_options_out_of_their_limits_are_refused(bad):
    with pytest.raises(Invalid):
        SnapshotOptions(**bad)


def test_options_at_their_limits_are_taken():
    SnapshotOptions(parallel=1, grace=0, trusted=("a" * 64,))
    SnapshotOptions(parallel=16, grace=3.0e8)
