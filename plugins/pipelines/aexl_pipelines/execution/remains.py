"""What a run that was killed has left behind: its agents and programs go on, and nobody reads them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path

import trio

from aexl.api import Host
from aexl_pipelines.journal.folders import read_begun, read_records, runs_folder
from aexl_pipelines.journal.lines import Written
from aexl_pipelines.journal.locking import is_driven
from aexl_pipelines.journal.records import RunBegun, RunEnded, RunResumed


def new_tree() -> str:
    """Return a mark for all that a process starts while it drives a run."""
    return secrets.token_hex(16)


def left_tree(records: Iterable[Written]) -> str:
    """Return the mark of what a run has left behind, where whoever drove it last is gone; empty where it came to an end."""
    tree = ""
    for each in records:
        match each.record:
            case RunBegun(tree=mark) | RunResumed(tree=mark):
                tree = mark
            case RunEnded():
                tree = ""
            case _:
                pass
    return tree


async def end_tree(host: Host, tree: str) -> str | None:
    """End what still carries a mark; return what a person should know of it.

    Raises:
        Conflict: If this process is part of it.
        Unavailable: If some of it does not end.
    """
    if not tree:
        return None
    ended = await host.end_remains(tree)
    if ended is None:
        return "the run was broken off, and what it had started may still be at work: this system does not tell"
    if ended == 0:
        return None
    return (
        f"ended {ended} {'process' if ended == 1 else 'processes'} that the run had left behind when it was broken off"
    )


async def end_remains(host: Host, folder: Path) -> str | None:
    """End what a run has left behind, unless somebody drives it; return what a person should know of it.

    Raises:
        NotFound: If it has no journal.
        Invalid: If that is damaged.
        Conflict: As ``end_tree``, and ``Unavailable``.
    """
    return await end_tree(host, await trio.to_thread.run_sync(find_left_tree, host.data_dir, folder))


def find_left_tree(home: Path, folder: Path) -> str:
    """Return the mark of what is left of a run, and of the runs that have called it; empty for nothing. Blocks.

    Raises:
        NotFound: If it has no journal.
        Invalid: If that is damaged.
    """
    while (begun := read_begun(folder)) is not None and begun.parent is not None:
        folder = runs_folder(home) / begun.parent.run
    if begun is None:
        return ""
    tree = left_tree(read_records(folder))
    return "" if is_driven(folder) else tree  # asked last: nobody drives any more what was written by then
