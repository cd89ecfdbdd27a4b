"""The files of a new project with handlers. Pure, but for reading the templates."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

FILES: Final = ("entry_point.py", "test_handlers.py", "aexl.toml")


def read_project() -> dict[str, str]:
    """Return the files by name."""
    folder = files("aexl.templates").joinpath("project")
    return {name: folder.joinpath(f"{name}.in").read_text("utf-8") for name in FILES}
