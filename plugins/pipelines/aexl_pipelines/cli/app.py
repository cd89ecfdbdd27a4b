"""``aexl pipeline``: its commands, each imported when it is used."""

from __future__ import annotations

from aexl_pipelines.cli.root import app

__all__ = ["app"]
