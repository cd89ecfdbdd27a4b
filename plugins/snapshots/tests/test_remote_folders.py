"""Folders that are named as remotes: what they are is looked at before anything is trusted to them."""

from __future__ import annotations

import errno
import os
import tempfile

import pytest
from made import commit

from aexl.errors import Invalid, NotFound, Unavailable
from aexl_snapshots.layout import OWN_NAMES
from aexl_snapshots.repository import PLACE, Repository
from aexl_snapshots.stores.folder import FolderStore, folder_of, open_folder, probe_folder, refuse_project
from aexl_snapshots.stores.opening import normal_url
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push


async def test_a_file_is_no_remote(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Invalid, match="a file stands there"):
            await open_folder(place.as_uri())


async def test_a_folder_of_other_files_is_no_remote_and_stays_as_it_is(tmp_path):
    (tmp_path / "main.py").write_text("")
    (tmp_path / "packs").mkdir()
    with pytest.raises(Invalid, match="holds other files, and no snapshots"):
        await open_folder(tmp_path.as_uri())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main.py", "packs"]


async def test_a_store_that_was_begun_is_a_remote_whatever_stands_beside_it(tmp_path, here):
    for name in OWN_NAMES - {"format"}:
        (tmp_path / "store" / name).mkdir(parents=True)
    (tmp_path / "store" / "swap.lock").rmdir()
    await push(here, await open_folder((tmp_path / "store").as_uri()), "store", commit(here, {"a": b"1"}))
    (tmp_path / "store" / "lost+found").mkdir()
    await open_folder((tmp_path / "store").as_uri())


async def test_a_name_that_no_folder_can_have_is_said(tmp_path):
    with pytest.raises(Unavailable, match="xxx: File name too long"):
        await open_folder((tmp_path / ("x" * 300)).as_uri())


@pytest.mark.parametrize("place", [".", "a/b/c"])
async def test_a_probe_leaves_nothing_in_a_folder(tmp_path, place):
    await probe_folder(await open_folder((tmp_path / place).as_uri()))
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def refuse(name, mode=0o777):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    monkeypatch.setattr(tempfile._os, "mkdir", refuse)
    with pytest.raises(Unavailable, match="new cannot be written: Read-only file system"):
        await probe_folder(await open_folder((tmp_path / "new").as_uri()))


async def test_a_folder_that_does_not_hold_the_conditions_is_refused(tmp_path, monkeypatch):
    async def overwrite(self, name, data):
        self.directory.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.directory.path(name).write_bytes(data)
        return True

    monkeypatch.setattr(FolderStore, "put_if_absent", overwrite)
    with pytest.raises(Unavailable, match="wrote over a name that exists"):
        await probe_folder(await open_folder(tmp_path.as_uri()))
    assert list(tmp_path.iterdir()) == []


async def test_what_was_never_pushed_to_is_told_from_what_is_empty(tmp_path, here):
    url = (tmp_path / "nothing").as_uri()
    with pytest.raises(NotFound, match="there are no snapshots at"):
        await fetch(here, await open_folder(url), url, "origin")
    Repository.init(tmp_path, path=tmp_path / "empty")
    url = (tmp_path / "empty").as_uri()
    assert (await fetch(here, await open_folder(url), url, "origin")).heads == {}


def test_the_path_of_a_project_means_its_snapshots(tmp_path, here):
    assert folder_of(normal_url("here", tmp_path)) == here.path
    assert folder_of(normal_url("here/.aexl/snapshots", tmp_path)) == here.path


def test_the_snapshots_of_a_project_are_not_changed_from_elsewhere(tmp_path, here):
    with pytest.raises(Invalid, match="belongs to a project that somebody works in"):
        refuse_project(here.path.as_uri())
    refuse_project((tmp_path / PLACE.name).as_uri())
    refuse_project("s3://bucket/.aexl/snapshots")


@pytest.mark.parametrize("text", ["", "http://[x", "~nobody-of-this-name/x"])
def test_what_is_neither_a_url_nor_a_path_is_refused(tmp_path, text):
    with pytest.raises(Invalid):
        normal_url(text, tmp_path)


def test_a_path_that_is_not_utf_8_becomes_a_url_and_back(tmp_path):
    name = os.fsdecode(b"b\xff")
    assert folder_of(normal_url(name, tmp_path)) == tmp_path / name
