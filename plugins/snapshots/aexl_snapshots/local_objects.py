"""Objects in a folder of this machine, and who may read, write and remove them.

Ordinary synchronous code, for a worker thread; safe to use from several threads,
and several processes may have the same folder open.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aexl.api import ObjectId
from aexl.errors import Invalid, NotFound, Unavailable
from aexl_snapshots.disk.directory import Directory, disk_errors
from aexl_snapshots.disk.files import Files
from aexl_snapshots.objects import manifest as manifests
from aexl_snapshots.objects import snapshot as snapshots
from aexl_snapshots.objects.manifest import Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.packs import FOLDER, PackSet
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.stores.indexes import FOLDER as INDEXES
from aexl_snapshots.stores.indexes import IndexCache
from aexl_snapshots.writer import Writer

_LOCK: Final = "lock"
_LOCK_WAIT: Final = 30.0
_LOCK_LOOK: Final = 0.01
_CACHED: Final = 16_384
"""Snapshots that are kept decoded; history is walked again and again."""


class LocalObjects:
    """The objects of a repository.

    Attributes:
        path: The repository's folder.
        directory: The repository as a store.
        packs: What there is.
        indexes: Of packs that remotes have.
    """

    def __init__(self, path: Path, files: Files | None = None) -> None:
        self.path = path
        self.directory = Directory(path, files)
        self.packs = PackSet(path / FOLDER)
        self.indexes = IndexCache(path / INDEXES)
        self._snapshots: dict[ObjectId, Snapshot] = {}
        self._manifest: tuple[ObjectId, Manifest] | None = None
        self._cache_lock = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep gc out from the first object that is put until the head has moved. May be nested.

        Raises:
            Unavailable: If gc runs and does not end within 30 seconds.
        """
        with self._locked(fcntl.LOCK_SH, _LOCK_WAIT):
            yield
        self._after_writing()

    def _after_writing(self) -> None:
        """Do what is due now and then; nothing here."""

    @contextmanager
    def alone(self, wait: float = _LOCK_WAIT) -> Iterator[None]:
        """Keep everybody out that writes; for gc.

        Raises:
            Unavailable: If somebody writes for longer than ``wait`` seconds.
        """
        with self._locked(fcntl.LOCK_EX, wait):
            yield

    @contextmanager
    def _locked(self, kind: int, wait: float) -> Iterator[None]:
        with disk_errors(self.path / _LOCK):
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            deadline = time.monotonic() + wait
            while True:
                try:
                    fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise Unavailable(f"{self.path} is in use by another aexl; try again") from None
                    time.sleep(_LOCK_LOOK)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def writer(self, meter: Meter | None = None) -> Iterator[Writer]:
        """Put objects; they exist when the context has been left without an error.

        Everything that is put goes into one pack if it fits. Use it inside
        ``writing`` where a head is moved to what was put.
        """
        with self.writing():
            self.packs.refresh()
            with Writer(self.directory, self.packs.__contains__, meter or unwatched()) as writer:
                yield writer
            if writer.packs:
                self.packs.refresh()

    def put_blobs(self, blobs: Iterable[bytes], meter: Meter | None = None) -> list[ObjectId]:
        """Put objects and return their ids."""
        with self.writer(meter) as writer:
            return [writer.put(blob) for blob in blobs]

    def write_snapshot(self, manifest: Manifest, snapshot: Snapshot) -> ObjectId:
        """Put a manifest and the snapshot of it, whose files must have been put; return the snapshot's id.

        Raises:
            NotFound: If a file of the manifest has not been put; names it.
            Invalid: If the snapshot is of another manifest.
        """
        if snapshot.manifest != manifest.id:
            raise Invalid(f"the snapshot is of manifest {snapshot.manifest}, not of {manifest.id}")
        with self.writer() as writer:
            for entry in manifest:
                if entry.id not in self.packs:
                    raise NotFound(f"{entry.path} has not been stored: there is no object {entry.id}")
            writer.put_manifest(manifest)
            return writer.put_snapshot(snapshot)

    def has(self, id: ObjectId) -> bool:
        """Say whether an object is here."""
        if id not in self.packs:
            self.packs.refresh()
        return id in self.packs

    def read(self, id: ObjectId, most: int = manifests.MAX_BYTES) -> bytes:
        """Return an object's bytes, checked against its id.

        Args:
            most: Bytes; a larger one is refused. For those there is ``stream``.

        Raises:
            NotFound: If it is not here.
            Invalid: If it is damaged, or too large.
        """
        return self.packs.read(id, most)

    def stream(self, id: ObjectId) -> Iterator[bytes]:
        """Yield an object's bytes in pieces; the last one comes only when all have been checked."""
        return self.packs.stream(id)

    def read_manifest(self, id: ObjectId) -> Manifest:
        """Return a manifest.

        Raises:
            NotFound: If it is not here.
            Invalid: If it is damaged or no manifest.
        """
        last = self._manifest  # what is checked is often used next
        if last is None or last[0] != id:
            self._manifest = last = id, Manifest.decode(self.packs.read(id, manifests.MAX_BYTES))
        return last[1]

    def read_snapshot(self, id: ObjectId) -> Snapshot:
        """Return a snapshot.

        Raises:
            NotFound: If it is not here.
            Invalid: If it is damaged or no snapshot.
        """
        cached = self._snapshots.get(id)
        if cached is None:
            cached = Snapshot.decode(self.packs.read(id, snapshots.MAX_BYTES))
            with self._cache_lock:
                if len(self._snapshots) >= _CACHED:
                    self._snapshots.clear()
                self._snapshots[id] = cached
        return cached

    def manifest_of(self, snapshot: ObjectId) -> Manifest:
        """Return the manifest of a snapshot."""
        return self.read_manifest(self.read_snapshot(snapshot).manifest)
