"""Removing old runs, with their snapshots and copies.

A run's snapshots are released before its folder goes, so that what is killed on its
way leaves a folder that the next pruning removes, and never snapshots of a run that
nobody knows any more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from aexl.api import Snapshots
from aexl_pipelines.gates.files import GateFiles
from aexl_pipelines.journal.folders import runs_folder
from aexl_pipelines.journal.writing import NAME, is_driven
from aexl_pipelines.trees.copies import FOLDER
from aexl_pipelines.trees.keeping import drop_runs


def old_runs(home: Path, before: float) -> Iterator[Path]:
    """Yield the folders of runs in whose journals nothing was written since a time, and that nobody drives. Blocks.

    Folders without a journal are what an earlier pruning has left, or have questions of others than runs: they count
    too, once nobody has to answer there any more.

    Args:
        before: Unix seconds.
    """
    for folder in sorted(runs_folder(home).glob("*")):
        journal = folder / NAME
        try:
            changed = (journal if journal.is_file() else folder).stat().st_mtime
        except FileNotFoundError:  # it went away meanwhile
            continue
        if folder.is_dir() and changed < before and not is_driven(folder):
            if not journal.is_file() and any(
                each.decided is None for each in GateFiles(folder.parent).listed(folder.name)
            ):
                continue
            yield folder


async def prune_run(snapshots: Snapshots | None, folder: Path) -> None:
    """Remove a run that nobody drives: its snapshots, its copies, its folder.

    Awaits nothing but the role's methods; removing files blocks, so call it from a command.

    Args:
        snapshots: ``None`` where nobody plays the role.
    """
    if snapshots is not None:
        await drop_runs(snapshots, [folder.name])
        copies = folder / FOLDER
        for copy in sorted(copies.iterdir()) if copies.is_dir() else []:
            await snapshots.forget(str(copy))
    shutil.rmtree(folder, ignore_errors=True)
