"""``aexl pipeline``: importing this module gathers all of its commands."""

from __future__ import annotations

from aexl_pipelines.cli import checks, diff, gates, hook, resume, run, runs, start, stdio, test, undo, views
from aexl_pipelines.cli.root import app

__all__ = ["app", "checks", "diff", "gates", "hook", "resume", "run", "runs", "start", "stdio", "test", "undo", "views"]
