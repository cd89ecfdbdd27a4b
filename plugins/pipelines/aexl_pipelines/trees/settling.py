"""Making a snapshot of a merge and a person's choices, in folders that nobody else knows."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import trio

from aexl.api import ObjectId, Snapshots
from aexl.errors import Invalid
from aexl_pipelines.trees.conflicts import SIDES, Choices, Side

_CLEANING: Final = 30.0
"""Seconds that removing the folders may take when the work was cancelled."""


async def settle(
    snapshots: Snapshots, scratch: Path, merged: ObjectId, sides: tuple[ObjectId, ObjectId], choices: Choices
) -> ObjectId:
    """Return a snapshot of ``merged`` in which every path of ``choices`` is as was chosen.

    Args:
        scratch: A folder in which folders are made, and removed again, cancelled or not.
        sides: Ours and theirs.

    Raises:
        Invalid: If what was chosen cannot stand beside the other files.
    """
    await trio.to_thread.run_sync(lambda: scratch.mkdir(mode=0o700, parents=True, exist_ok=True))
    place = Path(await trio.to_thread.run_sync(lambda: tempfile.mkdtemp(dir=scratch)))
    folders: dict[Side, Path] = {side: place / side for side in SIDES if side in choices.values()}
    try:
        await snapshots.materialize(merged, str(place / "merged"), False)
        for side, folder in folders.items():
            await snapshots.materialize(sides[SIDES.index(side)], str(folder), False)
        await trio.to_thread.run_sync(_write, place / "merged", folders, choices)
        return await snapshots.capture(str(place / "merged"), "conflicts settled")
    finally:
        with trio.move_on_after(_CLEANING, shield=True):
            await trio.to_thread.run_sync(lambda: shutil.rmtree(place, ignore_errors=True))
            for folder in (place / "merged", *folders.values()):
                await snapshots.forget(str(folder))


def _write(target: Path, folders: dict[Side, Path], choices: Choices) -> None:
    for path, choice in choices.items():
        try:
            _write_one(target / path, choice if isinstance(choice, bytes) else folders[choice] / path)
        except OSError as error:  # a file where a folder is, or the other way round: what else was chosen is in the way
            raise Invalid(f"{path} cannot be as it was chosen: {error.strerror}; choose the other side") from error


def _write_one(place: Path, source: bytes | Path) -> None:
    if isinstance(source, bytes):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source)
    elif source.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, place)
    else:
        place.unlink(missing_ok=True)
