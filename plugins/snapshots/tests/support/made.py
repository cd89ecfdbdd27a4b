"""Repositories and snapshots, made quickly."""

from __future__ import annotations

from collections.abc import Mapping

from aexl_snapshots.maintenance.check import check
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.snapshot import Snapshot

_clock = iter(range(1_700_000_000_000, 1_800_000_000_000))


def commit(repository, files: Mapping[str, bytes], *, head="main", parents=None, move=True):
    """Store these files as the next snapshot of a head; return its id."""
    expected = repository.head(head)
    if parents is None:
        parents = (expected,) if expected else ()
    with repository.writing():
        with repository.writer() as writer:
            entries = [Entry(path, "file", len(data), writer.put(data)) for path, data in files.items()]
            manifest = Manifest(entries)
            writer.put_manifest(manifest)
            snapshot = writer.put_snapshot(
                Snapshot(manifest=manifest.id, parents=tuple(parents), author="alice", time=next(_clock))
            )
        if move:
            repository.move_head(snapshot, expected=expected, name=head)
    return snapshot


def contents(repository, snapshot):
    """Return a snapshot's files."""
    return {entry.path: b"".join(repository.stream(entry.id)) for entry in repository.manifest_of(snapshot)}


async def sound(store):
    """See that nothing is wrong with a store, and return what was seen."""
    report = await check(store, "memory", read_data=True)
    assert report.findings == []
    return report
