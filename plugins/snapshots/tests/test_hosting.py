"""The role ``Repositories``: projects that are kept for others, changed file by file."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
import trio

from aexl.api import FileEdit, Repositories
from aexl.errors import HeadMoved, Invalid, NotFound
from aexl_snapshots.hosting import RepositoryService
from aexl_snapshots.maintenance.local import check_here
from aexl_snapshots.repository import Repository


class Kept:
    """A repository, and files to put into it."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.service = RepositoryService(self.home)

    def edit(self, path, data, **more):
        source = self.folder / hashlib.sha256(data).hexdigest()
        source.write_bytes(data)
        return FileEdit(path=path, source=str(source), **more)

    async def commit(self, expected, *edits, start=None, head="main", **more):
        return await self.service.commit("p", head, expected, start or expected, edits, "ann", more.get("message", "x"))

    async def files(self, snapshot):
        return {file.path: file for file in await self.service.files("p", snapshot)}


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path)


async def test_a_commit_follows_the_head_and_is_sound(kept):
    first = await kept.commit(None, kept.edit("a", b"1"), kept.edit("d/b", b""))
    second = await kept.commit(first, kept.edit("a", b"2"), FileEdit(path="d/b", source=None), message="why")
    log = await kept.service.log("p", second, 10)

    assert await kept.service.heads("p") == {"main": second}
    assert [each.id for each in log] == [second, first]
    assert (log[0].parents, log[0].author, log[0].message) == ((first,), "ann", "why")
    assert list(await kept.files(first)) == ["a", "d/b"]
    assert list(await kept.files(second)) == ["a"]
    assert await kept.service.read("p", (await kept.files(second))["a"].id, 1) == b"2"
    assert [(c.kind, c.path) for c in await kept.service.diff("p", first, second)] == [
        ("modified", "a"),
        ("removed", "d/b"),
    ]
    assert [c.kind for c in await kept.service.diff("p", None, first)] == ["added", "added"]
    place = kept.home / "repositories" / "p"
    report = await check_here(Repository.open(place, path=place), read_data=True)
    assert report.is_sound


async def test_a_commit_from_elsewhere_than_the_head_is_refused_and_changes_nothing(kept):
    first = await kept.commit(None, kept.edit("a", b"1"))
    for expected in (None, "f" * 64):
        with pytest.raises(HeadMoved):
            await kept.commit(expected, kept.edit("b", b"1"))
    with pytest.raises(NotFound):
        await kept.commit(first, FileEdit(path="nothing", source=None))
    with pytest.raises(Invalid, match="has the hash"):
        await kept.commit(first, kept.edit("b", b"1", id="0" * 64))
    with pytest.raises(Invalid, match="differ in case"):
        await kept.commit(first, kept.edit("A", b"1"))
    with pytest.raises(NotFound):
        await kept.commit(first, kept.edit("b", b"1"), start="e" * 64)
    assert await kept.service.heads("p") == {"main": first}


async def test_of_many_commits_at_once_one_wins_each_time(kept):
    head, won = None, []

    async def write(n):
        with contextlib.suppress(HeadMoved):
            won.append(await kept.commit(head, kept.edit(f"f{n}", str(n).encode())))

    for round in range(3):
        async with trio.open_nursery() as nursery:
            for n in range(6):
                nursery.start_soon(write, 10 * round + n)
        assert len(won) == round + 1
        head = won[-1]
    assert len(await kept.files(head)) == 3


async def test_an_earlier_state_is_made_again_and_what_changes_nothing_makes_nothing(kept):
    first = await kept.commit(None, kept.edit("a", b"1"))
    second = await kept.commit(first, kept.edit("a", b"2"))
    third = await kept.commit(second, start=first)
    assert (await kept.service.log("p", third, 1))[0].parents == (second,)
    assert await kept.files(third) == await kept.files(first)
    assert await kept.commit(third, kept.edit("a", b"1")) == third


async def test_what_is_not_there_is_not_found_and_what_is_too_large_not_read(kept):
    first = await kept.commit(None, kept.edit("a", b"12"))
    id = (await kept.files(first))["a"].id
    assert await kept.service.heads("other") == {}
    for ask in (
        lambda: kept.service.files("p", "f" * 64),
        lambda: kept.service.log("p", "f" * 64, 1),
        lambda: kept.service.diff("p", None, "f" * 64),
        lambda: kept.service.read("p", "f" * 64, 10),
        lambda: kept.service.read("other", id, 10),
    ):
        with pytest.raises(NotFound):
            await ask()
    with pytest.raises(Invalid):
        await kept.service.read("p", id, 1)
    assert await kept.service.read("p", id, 2) == b"12"


@pytest.mark.parametrize("name", ["", "..", ".x", "a/b", "../p", "a" * 101, "é", "a\n"])
async def test_a_name_that_leads_elsewhere_is_refused(kept, name):
    with pytest.raises(Invalid, match="no repository's name"):
        await kept.service.url(name)
    assert not kept.home.exists()


async def test_more_repositories_than_stay_open_are_all_there(kept, monkeypatch):
    monkeypatch.setattr("aexl_snapshots.hosting._OPEN", 2)
    for n in range(5):
        await kept.service.commit(f"p{n}", "main", None, None, [kept.edit("a", b"1")], "ann", "x")
    for n in range(5):
        assert list(await kept.service.heads(f"p{n}")) == ["main"]


async def test_a_path_is_held_to_the_rules_of_manifests(kept):
    await kept.service.check_path("src/a b/é.txt")
    for path in ("../a", "/a", "a//b", ".git/config", "a\\b", ""):
        with pytest.raises(Invalid):
            await kept.service.check_path(path)


def test_the_role_is_played(kept):
    assert isinstance(kept.service, Repositories)
