"""What a store may say that is not taken: whatever is not what its id says is named."""

from __future__ import annotations

import msgspec
import pytest

from aexl.errors import Invalid, NotFound
from aexl_snapshots.objects import frames, pack
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.packs import pack_name
from aexl_snapshots.records import next_record
from aexl_snapshots.sync.fetch import fetch


def evil(store, objects, snapshot):
    """Put a pack of whatever objects into the store, and a head that says so."""
    buffer = pack.PackBuffer()
    for row, frame in objects:
        buffer.add(row, frame)
    id, data = buffer.finish()
    store.blobs[pack_name(id)] = data
    store.blobs["heads/main"] = next_record(None, snapshot, ((id, len(data)),), "x", 1).encode()
    return id


def stored(data, size=None, id=None):
    frame = frames.Compressor()(data)
    return pack.Row(bytes.fromhex(id or object_id(data)), 0, 0, len(frame), len(data) if size is None else size), frame


def snapshot_of(manifest_bytes):
    return Snapshot(manifest=object_id(manifest_bytes)).encode()


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", ".git/hooks/x", "a/../../b", ".aexl/snapshots/heads/main"])
async def test_a_manifest_that_leads_out_of_the_tree_is_not_taken(there, store, path):
    text = b"aexl-manifest 1\nfile " + object_id(b"x").encode() + b" 1 " + path.encode() + b"\n"
    top = snapshot_of(text)
    evil(store, [stored(b"x"), stored(text), stored(top)], object_id(top))
    with pytest.raises(Invalid, match="cannot be taken"):
        await fetch(there, store, "memory", "origin")
    assert (there.tracked("origin"), there.heads()) == ({}, {})


async def test_an_object_under_another_id_is_named(there, store):
    manifest = Manifest([Entry("a", "file", 5, object_id(b"right"))]).encode()
    top = snapshot_of(manifest)
    evil(store, [stored(b"wrong", id=object_id(b"right")), stored(manifest), stored(top)], object_id(top))
    with pytest.raises(Invalid, match=object_id(b"right")):
        await fetch(there, store, "memory", "origin")


async def test_a_size_that_lies_is_named(there, store):
    manifest = Manifest([Entry("a", "file", 6, object_id(b"right"))]).encode()
    top = snapshot_of(manifest)
    evil(store, [stored(b"right"), stored(manifest), stored(top)], object_id(top))
    with pytest.raises(Invalid, match="a should have 6 bytes"):
        await fetch(there, store, "memory", "origin")


async def test_a_missing_object_is_named(there, store):
    manifest = Manifest([Entry("a", "file", 5, object_id(b"right"))]).encode()
    top = snapshot_of(manifest)
    evil(store, [stored(manifest), stored(top)], object_id(top))
    with pytest.raises(Invalid, match=object_id(b"right")):
        await fetch(there, store, "memory", "origin")


async def test_a_pack_of_another_size_than_the_head_says_is_named(there, store):
    top = snapshot_of(b"aexl-manifest 1\n")
    id = evil(store, [stored(b"aexl-manifest 1\n"), stored(top)], object_id(top))
    store.blobs[pack_name(id)] += b"more"
    with pytest.raises(Invalid, match=id):
        await fetch(there, store, "memory", "origin")


async def test_a_pack_that_is_gone_is_named(there, store):
    top = snapshot_of(b"aexl-manifest 1\n")
    id = evil(store, [stored(b"aexl-manifest 1\n"), stored(top)], object_id(top))
    del store.blobs[pack_name(id)]
    with pytest.raises(NotFound, match=id):
        await fetch(there, store, "memory", "origin")


async def test_a_head_that_is_not_a_record_is_named(there, store):
    store.blobs["heads/main"] = msgspec.json.encode({"snapshot": "x"}) + b"\n"
    with pytest.raises(Invalid, match="heads/main"):
        await fetch(there, store, "memory", "origin")
