"""Many push to one head of one store at once: every push that succeeded is in the history."""

from __future__ import annotations

import itertools
import random
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from made import commit

from aexl.api import Upstream
from aexl.core.http.transport import make_transport
from aexl.errors import HeadMoved, NotFound, Unavailable
from aexl.testing.blobs import FakeStore, SeededFaults
from aexl.testing.plane import PlaneRoutes, loopback
from aexl.testing.s3 import StrictS3
from aexl_snapshots.disk.directory import Directory
from aexl_snapshots.maintenance.check import check
from aexl_snapshots.maintenance.gc import collect
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.buckets import make_bucket
from aexl_snapshots.stores.folder import FolderStore
from aexl_snapshots.stores.plane import PlaneStore
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds: about as long as twelve take for a push each."""


@pytest.fixture
def drivers(tmp_path, monkeypatch, request):
    @asynccontextmanager
    async def folder():
        yield FolderStore(Directory(tmp_path / "store"))

    @asynccontextmanager
    async def bucket():
        with StrictS3(seed=1, faults=0.02) as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            yield make_bucket(server.url())
            server.faults = 0

    @asynccontextmanager
    async def moto():
        yield make_bucket(request.getfixturevalue("moto_url"))

    @asynccontextmanager
    async def plane():
        transport = make_transport(Upstream(private=True))
        faults = SeededFaults(2, 0.02)
        kinds = {None: None, "lost request": 0, "lost answer": -1}
        routes = PlaneRoutes(FakeStore(), fault=lambda method, path: kinds[faults(method, path)])
        async with loopback(routes) as url:
            yield PlaneStore(transport, f"{url}/store", None)
            routes.fault = lambda _method, _path: None
            await transport.aclose()

    return {"folder": folder, "bucket": bucket, "moto": moto, "plane": plane}


async def push_often(repository, store, number, times, landed):
    """Push so many snapshots; after a lost race, wait a random time, which grows, and make the snapshot anew."""
    for step in range(times):
        for lost in itertools.count(1):
            try:
                with suppress(NotFound):  # nobody has pushed yet
                    await fetch(repository, store, "store", "origin")
                head = repository.tracked("origin").get("main")
                files = {f"{number}": b"%d" % step}
                mine = await trio.to_thread.run_sync(
                    lambda: commit(repository, files, parents=[head] if head else [], move=False, head="x")  # noqa: B023
                )
                await push(repository, store, "store", mine)
            except (HeadMoved, Unavailable):
                await trio.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**lost)))
                continue
            landed.append(mine)
            break


async def run_pushers(store, tmp_path, pushers, times):
    landed = []
    async with trio.open_nursery() as nursery:
        for number in range(pushers):
            repository = Repository.init(tmp_path / f"pusher-{number}")
            repository.add_remote("origin", "store:")
            nursery.start_soon(push_often, repository, store, number, times, landed)

    there = Repository.init(tmp_path / "there")
    fetched = await fetch(there, store, "store", "origin")
    history = [id for id, _ in there.log(fetched.heads["main"])]
    assert len(landed) == pushers * times
    assert set(landed) <= set(history)
    return history


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["folder", "bucket", "moto", "plane"])
async def test_no_push_of_a_few_pushers_is_lost(drivers, tmp_path, driver):
    async with drivers[driver]() as store:
        await run_pushers(store, tmp_path, pushers=4, times=3)
        assert (await check(store, "store", read_data=True)).is_sound


@pytest.mark.long
@pytest.mark.parametrize("driver", ["folder", "bucket", "moto", "plane"])
async def test_no_push_of_a_thousand_by_twelve_is_lost(drivers, tmp_path, driver):
    async with drivers[driver]() as store:
        await run_pushers(store, tmp_path, pushers=12, times=84)
        assert (await check(store, "store", read_data=True)).is_sound


@pytest.mark.slow
async def test_gc_beside_pushers_loses_nothing(tmp_path):
    store = FolderStore(Directory(tmp_path / "store"))
    async with trio.open_nursery() as nursery:

        async def clean():
            while True:
                await trio.lowlevel.checkpoint()
                await collect(store, "store", grace=3600)

        nursery.start_soon(clean)
        await run_pushers(store, tmp_path, pushers=3, times=12)
        nursery.cancel_scope.cancel()
    (tmp_path / "store" / "gc" / "lease").unlink(missing_ok=True)
    await collect(store, "store", grace=0)
    assert (await check(store, "store", read_data=True)).is_sound
