"""The role ``Repositories``: projects that are kept for others, changed file by file."""

from __future__ import annotations

import hashlib

import pytest

from aexl.api import FileEdit, Repositories
from aexl.errors import HeadMoved, Invalid, NotFound
from aexl.testing.repositories import RepositoriesConformance
from aexl_snapshots.hosting import RepositoryService
from aexl_snapshots.maintenance.local import check_here, collect_here
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


def test_the_role_is_played(kept):
    assert isinstance(kept.service, Repositories)


class TestRepositoryService(RepositoriesConformance):
    @pytest.fixture
    def repositories(self, tmp_path):
        return RepositoryService(tmp_path / "home")


async def test_what_is_kept_stays_when_its_head_is_gone_and_the_rest_is_collected(kept):
    first = await kept.commit(None, kept.edit("a", b"1"))
    lost = await kept.commit(None, kept.edit("b", b"2"), head="other")
    aside = await kept.commit(None, kept.edit("c", b"3"), head="third")
    await kept.service.keep("p", aside)
    place = kept.home / "repositories" / "p"
    for name in ("other", "third"):
        (place / "heads" / name).unlink()
    await collect_here(Repository.open(place, path=place), grace=0)

    after = RepositoryService(kept.home)
    assert [file.path for file in await after.files("p", first)] == ["a"]
    assert [file.path for file in await after.files("p", aside)] == ["c"]
    with pytest.raises(NotFound):
        await after.files("p", lost)
