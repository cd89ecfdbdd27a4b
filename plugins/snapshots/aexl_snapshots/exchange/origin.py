"""Where a project that was taken over comes from: its workspace and project, kept beside the repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from aexl.errors import Invalid
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.worktree.folders import CONTROL

PLACE: Final = Path(CONTROL) / "origin.json"


def write_origin(root: Path, origin: Mapping[str, str]) -> None:
    """Remember where a project comes from.

    Raises:
        Unavailable: If it cannot be written.
    """
    with disk_errors(root / PLACE):
        (root / PLACE).write_bytes(msgspec.json.format(msgspec.json.encode(origin, order="sorted"), indent=2) + b"\n")


def read_origin(root: Path) -> dict[str, str]:
    """Return where a project comes from; nothing if it began here.

    Raises:
        Invalid: If the file is damaged.
    """
    try:
        return msgspec.json.decode((root / PLACE).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as error:
        raise Invalid(f"{root / PLACE} cannot be read: {error}; remove it if you do not need it") from error
