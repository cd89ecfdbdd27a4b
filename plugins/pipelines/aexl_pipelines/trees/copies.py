"""The copies in which branches that write work: in the run's folder, and gone when the run is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import trio

from aexl_pipelines.execution.ports import Trees

FOLDER: Final = "copies"
"""In a run's folder."""


async def remove_copies(trees: Trees, run_folder: Path) -> int:
    """Remove all copies of a run that nobody drives, those that a crash has left too; return how many there were."""

    def look() -> list[Path]:
        folder = run_folder / FOLDER
        return sorted(folder.iterdir()) if folder.is_dir() else []

    found = await trio.to_thread.run_sync(look)
    for folder in found:
        await trees.discard(folder)
    return len(found)
