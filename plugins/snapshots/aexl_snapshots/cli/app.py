"""``aexl snapshot``: importing this module gathers all of its commands."""

from __future__ import annotations

from aexl_snapshots.cli import exchange, files, history, remotes, start, upkeep
from aexl_snapshots.cli.root import app

__all__ = ["app", "exchange", "files", "history", "remotes", "start", "upkeep"]
