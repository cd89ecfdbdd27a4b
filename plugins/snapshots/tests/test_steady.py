"""A file that changes while it is read: a whole version, or an error."""

from __future__ import annotations

import os
import threading
import time

import pytest

from aexl.errors import Conflict, Invalid, NotFound
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.worktree import steady
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.steady import read_steady


@pytest.fixture
def folders(tmp_path):
    with Folders(tmp_path) as opened:
        yield opened


def test_a_quiet_file_is_settled_and_a_fresh_one_is_not(folders, tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    fresh = read_steady(folders, "a")
    assert (fresh.data, fresh.id, fresh.settled) == (b"one", object_id(b"one"), False)
    time.sleep(0.06)
    assert read_steady(folders, "a").settled


def test_a_large_file_is_read_in_blocks(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(steady, "IN_MEMORY", 1000)
    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    read = read_steady(folders, "a")
    assert (read.data, read.id) == (None, object_id(data))


@pytest.mark.parametrize("size", [0, 1, 1000, 1001])
def test_a_file_at_the_edge_of_memory_has_its_id(folders, tmp_path, monkeypatch, size):
    monkeypatch.setattr(steady, "IN_MEMORY", 1000)
    (tmp_path / "a").write_bytes(b"x" * size)
    assert read_steady(folders, "a").id == object_id(b"x" * size)


def test_what_is_no_file_is_refused_without_waiting(folders, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").mkdir()
    for name, word in (("pipe", "named pipe"), ("link", "symbolic link"), ("folder", "folder")):
        with pytest.raises(Invalid, match=word):
            read_steady(folders, name)
    with pytest.raises(NotFound):
        read_steady(folders, "nothing")


def test_a_way_through_a_link_leads_nowhere(folders, tmp_path):
    (tmp_path / "etc").symlink_to("/etc")
    with pytest.raises(NotFound):
        read_steady(folders, "etc/passwd")


def test_a_file_that_changes_at_each_reading_is_refused(folders, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"0")
    real = steady._read_once

    def read_and_change(descriptor, size):
        path.write_bytes(os.urandom(8))
        return real(descriptor, size)

    monkeypatch.setattr(steady, "_read_once", read_and_change)
    with pytest.raises(Conflict, match="a changes while it is read"):
        read_steady(folders, "a")


STALL = 0.001
"""Seconds; a write of 200 kB takes a twentieth of it, unless the system stops the writer in the middle."""


@pytest.mark.slow
def test_no_reading_is_torn_while_somebody_writes(folders, tmp_path):
    """A writer replaces the content in place, always by one byte throughout."""
    path = tmp_path / "a"
    size = 200_000
    path.write_bytes(b"\0" * size)
    stop = threading.Event()
    stalls = []

    def write():
        value = 0
        descriptor = os.open(path, os.O_WRONLY)
        while not stop.wait(0.001):
            value = (value + 1) % 256
            begun = time.monotonic()
            os.pwrite(descriptor, bytes([value]) * size, 0)
            if (ended := time.monotonic()) - begun > STALL:
                stalls.append((begun, ended))
        os.close(descriptor)

    writer = threading.Thread(target=write)
    writer.start()
    whole = 0
    torn = []
    try:
        for _ in range(150):
            begun = time.monotonic()
            try:
                read = read_steady(folders, "a")
            except Conflict:
                continue
            whole += 1
            if len(set(read.data)) != 1:
                torn.append((begun, time.monotonic()))
    finally:
        stop.set()
        writer.join()
    assert [(begun, ended) for begun, ended in torn if not any(a < ended and begun < b for a, b in stalls)] == []
    assert read_steady(folders, "a").data
