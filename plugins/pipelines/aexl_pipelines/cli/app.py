"""``aexl pipeline``: importing this module gathers all of its commands."""

from __future__ import annotations

from aexl_pipelines.cli import checks, start, views
from aexl_pipelines.cli.root import app

__all__ = ["app", "checks", "start", "views"]
