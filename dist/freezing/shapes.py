"""Files that are the same to the byte whenever they are made from the same things."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePath


def write_tar(folder: Path, target: Path, *, name: str, epoch: int) -> None:
    """Pack a folder, sorted, without owners and with one time for all, under ``name/``."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in [folder, *sorted(folder.rglob("*"))]:
            inside = str(PurePath(name, path.relative_to(folder)))
            archive.add(path, inside, recursive=False, filter=lambda one: _plain(one, epoch))


def _plain(one: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    one.uid = one.gid = 0
    one.uname = one.gname = ""
    one.mtime = epoch
    one.mode = 0o755 if one.isdir() or one.mode & 0o100 else 0o644
    return one


def sums(files: Iterable[Path]) -> str:
    """Return the files' SHA-256 sums, as ``sha256sum --check`` reads them."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(files))


def hold(folder: Path, listed: str) -> bool:
    """Return whether the files of a list of sums are there and as they were."""
    names = [line.partition("  ")[2] for line in listed.splitlines()]
    return (
        bool(names)
        and all((folder / name).is_file() for name in names)
        and sums(folder / name for name in names) == listed
    )
