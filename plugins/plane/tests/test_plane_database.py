"""The database: what is written at one moment is written together, and each piece has its own end."""

from __future__ import annotations

import apsw
import pytest
import trio

from aexl.errors import NotFound, Unavailable
from aexl_plane.storage.database import TOGETHER, Database


@pytest.fixture
async def database(tmp_path):
    made = Database(tmp_path / "plane.db", lambda: None)
    await made.open()
    yield made
    with trio.CancelScope(shield=True):
        await made.close()


def put(name):
    def work(connection):
        connection.execute("INSERT INTO tenants VALUES (?, ?, 0)", (name, name))
        if name.startswith("bad"):
            raise NotFound(name)
        if name.startswith("twice"):
            connection.execute("INSERT INTO tenants VALUES (?, ?, 0)", (name, name))
        return name

    return work


async def names(database):
    return {row[0] for row in await database.read(lambda db: db.execute("SELECT id FROM tenants").fetchall())}


async def test_many_at_once_are_few_transactions_and_each_has_its_own_end(database):
    commits, ends = 0, {}
    commit = database._commit

    def counted(batch):
        nonlocal commits
        commits += 1
        assert len(batch) <= TOGETHER
        commit(batch)

    database._commit = counted

    async def write(name):
        try:
            ends[name] = await database.write(put(name))
        except (NotFound, Unavailable) as error:
            ends[name] = type(error)

    wanted = [f"{kind}{number}" for number in range(60) for kind in ("good", "bad", "twice")]
    async with trio.open_nursery() as nursery:
        for name in wanted:
            nursery.start_soon(write, name)
    assert commits <= 1 + len(wanted) // TOGETHER + 1
    assert {ends[name] for name in wanted if name.startswith("bad")} == {NotFound}
    assert {ends[name] for name in wanted if name.startswith("twice")} == {Unavailable}
    good = {name for name in wanted if name.startswith("good")}
    assert {ends[name] for name in good} == good == await names(database)


async def test_one_who_leaves_takes_nobody_with_them(database):
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def leave():
            with scope:
                await database.write(put("left"))

        nursery.start_soon(leave)
        nursery.start_soon(database.write, put("stayed"))
        scope.cancel()
    assert "stayed" in await names(database)
    await database.write(put("later"))
    assert "later" in await names(database)


async def test_when_the_disk_fails_nobody_is_told_that_it_is_written(database):
    def broken(batch):
        raise apsw.FullError("the disk is full")

    commit, database._commit = database._commit, broken
    with pytest.raises(Unavailable, match="the disk is full"):
        await database.write(put("a"))
    database._commit = commit
    await database.write(put("b"))
    assert await names(database) == {"b"}


async def test_what_reads_cannot_change_anything(database):
    with pytest.raises(Unavailable):
        await database.read(put("a"))
    assert await names(database) == set()
