"""Who has paid for a run: a small file in the run's folder, written before the ledger hears of a new agent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

FILE_NAME: Final = "agents.json"


class Roll(msgspec.Struct, frozen=True, kw_only=True):
    """The agents of a run; what they were charged is the ledger's to know.

    Attributes:
        payer: The person's agent, whose budget all of it counts against.
        agents: By name, in the order made; the ledger keeps what deleted ones have spent.
        generations: How many agents of the run itself are among them.
        children: Child runs, with the address of the step that called each.
    """

    payer: str
    agents: tuple[str, ...] = ()
    generations: int = 0
    children: dict[str, str] = {}


def read_roll(folder: Path) -> Roll | None:
    """Return what a run's folder has, ``None`` for a run that was never governed. Blocks."""
    try:
        data = (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(data, type=Roll)


def write_roll(folder: Path, roll: Roll) -> None:
    """Replace the file at once; it is durable afterwards. Blocks."""
    aside = folder / f"{FILE_NAME}.new"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(roll))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    aside.replace(folder / FILE_NAME)
    parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
