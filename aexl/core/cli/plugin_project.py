"""``aexl plugin test`` and ``aexl plugin wheel``: what a plugin's project needs, without a Python beside aexl.

The executable carries pytest, pytest-trio and hatchling for these two; beside a
pip-installed aexl they come with the extra ``plugins``.
"""

from __future__ import annotations

import os
import sys
import tomllib
from contextlib import chdir
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import typer

from aexl.errors import AexlError, Invalid, NotFound, Unavailable

_EXTRA: Final = "pip install 'aexl[plugins]'"

_FOLDER: Final[Any] = typer.Option(Path(), "--folder", help="The project's folder; this one by default.")


class ProjectTestsFailed(AexlError):
    """A plugin's own tests did not pass."""


def run_tests(
    options: list[str] | None = typer.Argument(None, metavar="[-- OPTIONS...]", help="Options of pytest."),
    folder: Path = _FOLDER,
) -> None:
    """Run a project's tests with aexl's own pytest and aexl.testing. Exits 1 if one fails."""
    _read_project(folder)
    for needed in ("pytest", "pytest_trio"):  # not imported here: pytest imports its plugins itself
        if find_spec(needed) is None:
            raise Unavailable(f"{needed} is needed to run tests: {_EXTRA}")
    import pytest

    # Only these two, beside aexl and frozen alike; one that is also looked for by its entry point would be loaded twice.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with chdir(folder):
        code = pytest.main(["-p", "pytest_trio.plugin", "-p", "aexl.testing.plugin", *(options or ())])
    if code:
        raise ProjectTestsFailed(f"the tests of {folder.resolve().name} did not pass")


def build_wheel(
    folder: Path = _FOLDER,
    out: Path | None = typer.Option(None, "--out", help="Write the wheel into this folder; dist/ by default."),
) -> None:
    """Build a project's wheel. Needs no network and no Python: hatchling comes with aexl."""
    name = str(_read_project(folder).get("build-backend", "setuptools.build_meta"))
    try:
        backend = import_module(name)
    except ModuleNotFoundError as error:
        raise Unavailable(f"this project is built by {name}, which aexl does not have: {_way_out(name)}") from error
    target = (out or folder / "dist").resolve()
    target.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        try:
            made: str = backend.build_wheel(str(target))
        except Exception as error:
            raise Invalid(f"the wheel cannot be built: {error}") from error
    sys.stdout.write(f"{target / made}\n")


def _way_out(backend: str) -> str:
    return _EXTRA if backend.startswith("hatchling") else "use 'python -m build --wheel'"


def _read_project(folder: Path) -> dict[str, Any]:
    """Return the table ``[build-system]``.

    Raises:
        NotFound: If the folder is no project.
        Invalid: If its ``pyproject.toml`` cannot be read.
    """
    path = folder / "pyproject.toml"
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist; run this in a plugin's project, or name its folder") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    try:
        table: dict[str, Any] = tomllib.loads(text).get("build-system", {})
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path} is not TOML: {error}") from error
    return table
