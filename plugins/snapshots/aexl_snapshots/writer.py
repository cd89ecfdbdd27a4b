"""Putting objects into packs: compressed in threads, written once, durable before anyone hears of them."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self
from zlib import crc32

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.disk.directory import Directory, disk_errors
from aexl_snapshots.objects import frames, pack
from aexl_snapshots.objects.ids import id_bytes, object_id
from aexl_snapshots.objects.manifest import Manifest, cut_manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.packs import pack_name
from aexl_snapshots.progress import Meter

_BATCH: Final = 512 * 1024
"""Raw bytes that a thread compresses at a time; fewer, and handing over costs more than compressing."""

_THREADS: Final = max(1, min(4, (os.cpu_count() or 1)))
_WAITING: Final = 4 * _THREADS
"""Batches under way at most: this many times 4 MiB of memory at worst, and as much again compressed."""

_BUFFER: Final = 1024 * 1024
_SMALL_MANIFEST: Final = 32 * 1024

_Queued = tuple[bytes, int, bytes | memoryview, int]
_Compressed = tuple[bytes, int, bytes, int]
"""Id, kind, frame and raw size of the object."""


class PackFile:
    """One pack while it is being written; in order, from one thread.

    Args:
        directory: Whose folder of unfinished files it grows in.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._path, self._descriptor = directory.start_file()
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._rows: list[pack.Row] = []
        self._offset = 0
        self._write(pack.HEADER)

    @property
    def is_full(self) -> bool:
        """It is time to begin another one."""
        return self._offset >= pack.TARGET or len(self._rows) >= pack.TARGET_OBJECTS

    @property
    def is_empty(self) -> bool:
        """Nothing is in it."""
        return not self._rows

    def add(self, id: bytes, kind: int, frame: bytes, size: int) -> None:
        """Append an object.

        Raises:
            Unavailable: If the disk fails.
        """
        self._rows.append(pack.Row(id, kind, self._offset, len(frame), size))
        self._write(frame)

    def _write(self, data: bytes) -> None:
        self._buffer += data
        self._offset += len(data)
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        self._hash.update(self._buffer)  # not frame by frame: each time, threads would take turns
        with disk_errors(self._path):
            self._directory.files.write(self._descriptor, self._buffer)
        self._buffer = bytearray()

    def finish(self) -> tuple[ObjectId, int]:
        """Write the index, make the pack durable and give it its name; return its id and bytes."""
        try:
            self._write(pack.encode_index(self._rows, self._offset))
            self._flush()
            with disk_errors(self._path):
                self._directory.files.fsync(self._descriptor)
        except BaseException:
            self.abandon()
            raise
        os.close(self._descriptor)
        id = ObjectId(self._hash.hexdigest())
        try:
            self._directory.adopt(self._path, pack_name(id))
        except BaseException:
            self._directory.discard(self._path)
            raise
        return id, self._offset

    def abandon(self) -> None:
        """Drop it."""
        os.close(self._descriptor)
        self._directory.discard(self._path)


class Writer:
    """Collects objects and writes those that are new, in one pack if they fit into one.

    A context: leaving it finishes the packs, and only then does anything that was
    put exist; leaving it with an error drops what is unfinished. For one thread.

    Args:
        has: Says which objects need not be written.
    """

    def __init__(
        self,
        directory: Directory,
        has: Callable[[ObjectId], bool],
        meter: Meter,
        *,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._has = has
        self._meter = meter
        self._done = done
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: deque[Future[list[_Compressed]]] = deque()
        self._batch: list[_Queued] = []
        self._batch_size = 0
        self._seen: set[ObjectId] = set()
        self._file: PackFile | None = None
        self.packs: list[tuple[ObjectId, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._pool is None:  # little to do: quicker without threads
                    self._store_all(_compress(self._batch))
                else:
                    self._hand_over()
                while self._under_way:
                    self._take()
                if self._file is not None:
                    file, self._file = self._file, None
                    self.packs.append(file.finish())
        finally:
            self._close()

    def _close(self) -> None:
        for each in self._under_way:
            each.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        if self._file is not None:
            self._file.abandon()
            self._file = None
        self._done()

    def put(self, data: bytes, id: ObjectId | None = None) -> ObjectId:
        """Put an object.

        Args:
            id: Its id, where the caller has just computed it from these very bytes.

        Raises:
            Unavailable: If the disk fails.
        """
        id = id or object_id(data)
        if self._is_new(id):
            if len(data) <= frames.LARGEST:
                self._queue(id_bytes(id), pack.WHOLE, data, len(data))
            else:
                view = memoryview(data)
                pieces = (view[at : at + frames.LARGEST] for at in range(0, len(data), frames.LARGEST))
                self._put_parts(id, [self._put_part(piece) for piece in pieces])
        self._meter.add(len(data))
        return id

    def put_stream(self, blocks: Iterable[bytes]) -> tuple[ObjectId, int]:
        """Put an object of any size, a block at a time; return its id and bytes.

        Raises:
            Invalid: If it is larger than a store can hold.
            Unavailable: If the disk fails.
        """
        digest, size = hashlib.sha256(), 0
        parts: list[pack.Part] = []
        for piece in _regroup(blocks, frames.LARGEST):
            digest.update(piece)
            size += len(piece)
            if len(parts) == pack.MOST_PARTS:
                raise Invalid(f"a file may have {pack.MOST_PARTS * frames.LARGEST} bytes; this one has more")
            parts.append(self._put_part(memoryview(piece)))
            self._meter.add(len(piece))
        id = ObjectId(digest.hexdigest())
        if not parts:
            return self.put(b""), 0
        if len(parts) > 1 and self._is_new(id):
            self._put_parts(id, parts)
        return id, size

    def put_manifest(self, manifest: Manifest) -> ObjectId:
        """Put a manifest, cut so that its next version shares most of it."""
        data = manifest.encode()
        if len(data) <= _SMALL_MANIFEST:
            return self.put(data, manifest.id)
        if self._is_new(manifest.id):
            view = memoryview(data)
            self._put_parts(manifest.id, [self._put_part(view[a:b]) for a, b in cut_manifest(data, crc32)])
        return manifest.id

    def put_snapshot(self, snapshot: Snapshot) -> ObjectId:
        """Put a snapshot; what it refers to must be there or have been put."""
        return self.put(snapshot.encode())

    def put_frame(self, row: pack.Row, frame: bytes) -> None:
        """Put an object as another pack has it. The caller has checked it."""
        if self._is_new(pack.object_of(row)):
            self._store(row.id, row.kind, frame, row.size)

    def _is_new(self, id: ObjectId) -> bool:
        if id in self._seen or self._has(id):
            return False
        self._seen.add(id)
        return True

    def _put_part(self, data: memoryview) -> pack.Part:
        id = object_id(data)
        if self._is_new(id):
            self._queue(id_bytes(id), pack.WHOLE, data, len(data))
        return pack.Part(id_bytes(id), len(data))

    def _put_parts(self, id: ObjectId, parts: list[pack.Part]) -> None:
        self._queue(id_bytes(id), pack.PARTS, pack.encode_parts(parts), sum(part.size for part in parts))

    def _queue(self, id: bytes, kind: int, data: bytes | memoryview, size: int) -> None:
        self._batch.append((id, kind, data, size))
        self._batch_size += len(data)
        if self._batch_size >= _BATCH:
            self._hand_over()

    def _hand_over(self) -> None:
        if not self._batch:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="aexl-snapshots")
        if len(self._under_way) >= _WAITING:
            self._take()
        self._under_way.append(self._pool.submit(_compress, self._batch))
        self._batch, self._batch_size = [], 0
        while self._under_way and self._under_way[0].done():
            self._take()

    def _take(self) -> None:
        self._store_all(self._under_way.popleft().result())

    def _store_all(self, compressed: Iterable[_Compressed]) -> None:
        for id, kind, frame, size in compressed:
            self._store(id, kind, frame, size)

    def _store(self, id: bytes, kind: int, frame: bytes, size: int) -> None:
        if self._file is None:
            self._file = PackFile(self._directory)
        self._file.add(id, kind, frame, size)
        if self._file.is_full:
            file, self._file = self._file, None
            self.packs.append(file.finish())


def _compress(batch: list[_Queued]) -> list[_Compressed]:
    compress = frames.Compressor()
    return [(id, kind, compress(data), size) for id, kind, data, size in batch]


def _regroup(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of ``size``, the last one shorter."""
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
