"""The texts that a run's pipeline was loaded from, kept in its folder: what becomes of the files does not matter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from aexl.errors import NotFound
from aexl_pipelines.language.loading import Loaded

_RESOLVED = "pipeline.yaml"


def digest_of(loaded: Loaded) -> str:
    """Return the SHA-256 of all texts of a pipeline."""
    return hashlib.sha256(_encoded(loaded.sources)).hexdigest()


def _encoded(sources: Mapping[str, str]) -> bytes:
    return msgspec.json.encode(dict(sorted(sources.items())))


def keep_sources(folder: Path, loaded: Loaded) -> str:
    """Write a pipeline's texts into a run's folder, and the resolved pipeline for people; return the digest. Blocks."""
    from aexl_pipelines.language.writing import write_resolved

    digest = digest_of(loaded)
    sources = folder / "sources"
    sources.mkdir(mode=0o700, exist_ok=True)
    _write(sources / f"{digest}.json", _encoded(loaded.sources))
    if loaded.tree is not None:
        beside = loaded.unwrap().folder
        _write(folder / _RESOLVED, write_resolved(loaded, Path(beside) if beside else None).encode())
    return digest


def read_sources(folder: Path, digest: str) -> Mapping[str, str]:
    """Return the texts of a pipeline that a run has kept. Blocks.

    Raises:
        NotFound: If they are not there, or not what they were.
    """
    try:
        data = (folder / "sources" / f"{digest}.json").read_bytes()
        found = msgspec.json.decode(data, type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        raise NotFound(f"the run {folder.name} has lost the pipeline that it runs: {error}") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise NotFound(f"the run {folder.name} has lost the pipeline that it runs: its text was changed")
    return found


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
