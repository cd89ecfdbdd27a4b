"""Snapshots in one file: a store like any other, in an uncompressed tar archive with nothing of this machine in it."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from aexl.api import ObjectId
from aexl.errors import Conflict, Invalid, NotFound
from aexl_snapshots.disk.directory import check_name, disk_errors
from aexl_snapshots.layout import FORMAT_NAME
from aexl_snapshots.objects import pack
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.folder import open_folder
from aexl_snapshots.sync.fetch import Fetched, fetch
from aexl_snapshots.sync.push import push, push_tag

REMOTE: Final = "import"
"""Under which an archive's heads are remembered while it is read."""

_PREFIX: Final = "aexl-snapshots/"
_PARTS: Final = frozenset({FORMAT_NAME, "packs", "heads", "tags"})
_BLOCK: Final = 1024 * 1024


async def write_archive(
    repository: Repository, path: Path, snapshot: ObjectId, head: str, tags: Sequence[str], meter: Meter
) -> int:
    """Write a snapshot, some tags and all they were made from into a new file; return its bytes.

    Raises:
        Conflict: If there is such a file.
        Unavailable: If it cannot be written.
    """
    with disk_errors(path), _scratch_folder(path) as folder:
        store = await open_folder((folder / "store").as_uri())
        await push(repository, store, str(path), snapshot, head=head, meter=meter)
        for tag in tags:
            await push_tag(repository, store, str(path), tag, meter=meter)
        await trio.to_thread.run_sync(_pack, folder / "store", folder / "archive")
        (folder / "archive").rename(path)
        return path.stat().st_size


@contextmanager
def _scratch_folder(path: Path) -> Iterator[Path]:
    if path.exists():
        raise Conflict(f"{path} exists already; name a file that is new")
    with tempfile.TemporaryDirectory(prefix=".aexl-export-", dir=path.parent) as name:
        yield Path(name)


def _pack(store: Path, archive: Path) -> None:
    with archive.open("xb") as target:
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in sorted(_names(store)):
                member = tarfile.TarInfo(_PREFIX + name)
                member.size, member.mode = (store / name).stat().st_size, 0o644
                with (store / name).open("rb") as file:
                    tar.addfile(member, file)
        target.flush()
        os.fsync(target.fileno())


def _names(store: Path) -> Iterator[str]:
    for path in store.rglob("*"):
        name = path.relative_to(store).as_posix()
        if path.is_file() and name.split("/")[0] in _PARTS:
            yield name


async def read_archive(repository: Repository, path: Path, trusted: Sequence[str], meter: Meter) -> Fetched:
    """Fetch what an archive holds, checked as if it came from anywhere.

    Raises:
        NotFound: If there is no such file.
        Invalid: If it is no such archive, or anything in it is damaged.
    """
    with _unpacked(path) as folder:
        store = await open_folder(folder.as_uri())
        return await fetch(repository, store, str(path), REMOTE, trusted=trusted, meter=meter)


def forget_archive(repository: Repository) -> None:
    """Forget the heads of an archive that has been read; what nothing else points to, gc may remove."""
    for head in repository.tracked(REMOTE):
        repository.track(REMOTE, head, None)


class _Blocks(io.BufferedReader):
    """Reads no more at once than a member is read by, so that a header cannot claim memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _BLOCK:
            raise tarfile.ReadError(f"it has a header of {size} bytes")
        return super().read(size)


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    with disk_errors(path):
        if not path.is_file():
            raise NotFound(f"there is no file {path}")
    with tempfile.TemporaryDirectory(prefix="aexl-import-") as name:
        folder = Path(name)
        try:
            with disk_errors(path), _Blocks(io.FileIO(path)) as file:
                _unpack_all(file, folder)
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise Invalid(f"{path} is no export of snapshots: {error}") from error
        yield folder


def _unpack_all(file: _Blocks, folder: Path) -> None:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            _unpack(tar, member, folder)
        file.seek(tar.offset)
    while block := file.read(_BLOCK):
        if block.strip(b"\0"):
            raise tarfile.ReadError("something follows its end")


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write one member, of which every byte is in the file; its name is held to a store's rules, and cannot lead out."""
    name = member.name.removeprefix(_PREFIX)
    if not member.isreg() or member.issparse() or name == member.name or name.split("/")[0] not in _PARTS:
        raise tarfile.ReadError(f"it holds {member.name[:200]!r}")
    if not 0 <= member.size <= pack.LARGEST:
        raise tarfile.ReadError(f"{member.name[:200]!r} has {member.size} bytes")
    target = folder / check_name(name)
    if target.exists():
        raise tarfile.ReadError(f"it holds {member.name[:200]!r} twice")
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    assert source is not None  # it is a regular file
    with target.open("xb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
