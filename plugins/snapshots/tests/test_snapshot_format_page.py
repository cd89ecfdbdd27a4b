"""A store is read by a reader that knows nothing but docs/reference/snapshot-format.md."""

from __future__ import annotations

import hashlib
import json
import os
import struct

from backports import zstd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from made import commit, contents

from aexl_snapshots.disk.directory import Directory
from aexl_snapshots.maintenance.gc import collect
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.folder import FolderStore
from aexl_snapshots.sync.push import push


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Reader:
    def __init__(self, store, head):
        assert (store / "format").read_bytes() == b"aexl-snapshots 1\n"
        line, check, rest = (store / "heads" / head).read_bytes().split(b"\n")
        assert (check.decode(), rest) == (sha256(line), b"")
        self.record = json.loads(line)
        self.rows = {}
        for id, size in self.record["packs"]:
            data = (store / "packs" / f"{id}.pack").read_bytes()
            assert (sha256(data), len(data)) == (id, size)
            self.read_pack(data)

    def read_pack(self, data):
        assert data[:16] == b"AEXLPACK" + struct.pack(">II", 1, 0)
        offset, objects, zero, digest, end = struct.unpack(">QII32s8s", data[-56:])
        index = data[offset:-56]
        assert (zero, end, hashlib.sha256(index).digest(), len(index)) == (0, b"AEXLPEND", digest, 53 * objects)
        for id, kind, begin, stored, size in struct.iter_unpack(">32sBQIQ", index):
            self.rows[id.hex()] = kind, size, zstd.decompress(data[begin : begin + stored])

    def read(self, id):
        kind, size, data = self.rows[id]
        if kind == 1:
            data = b"".join(self.read(part.hex()) for part, _ in struct.iter_unpack(">32sI", data))
        assert (sha256(data), len(data)) == (id, size)
        return data

    def snapshot(self, id):
        data = self.read(id)
        value = json.loads(data)
        assert json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == data
        if value["signature"]:
            signature, value["signature"] = value["signature"], None
            text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["key"]))
            key.verify(bytes.fromhex(signature["value"]), b"aexl-snapshot-signature 1\n" + text)
        return value

    def files(self, manifest):
        first, *lines = self.read(manifest).decode().removesuffix("\n").split("\n")
        assert first == "aexl-manifest 1"
        for line in lines:
            mode, id, size, path = line.split(" ", 3)
            data = self.read(id)
            assert (mode, len(data)) == ("file", int(size))
            yield path, data


async def test_a_reader_written_from_the_page_reads_a_store(tmp_path):
    here = Repository.init(tmp_path / "here")
    files = {f"folder/{number} ü": b"%d" % number for number in range(2000)} | {
        "large": os.urandom(9_000_000),
        "e": b"",
    }
    first = commit(here, files)
    manifest = here.manifest_of(first)
    signed = Snapshot(
        manifest=manifest.id, parents=(first,), author="Ada", message='"quoted"\n\tü\u2028', metadata={"a": "\\"}
    ).sign(Ed25519PrivateKey.generate())
    second = here.write_snapshot(manifest, signed)
    store = FolderStore(Directory(tmp_path / "store"))
    await push(here, store, "store", second)
    await collect(store, "store", grace=0)

    reader = Reader(tmp_path / "store", "main")
    assert reader.record["snapshot"] == second
    top = reader.snapshot(second)
    assert (top["parents"], top["author"], top["message"]) == ([first], "Ada", '"quoted"\n\tü\u2028')
    assert reader.snapshot(first)["signature"] is None
    assert dict(reader.files(top["manifest"])) == files == contents(here, first)
