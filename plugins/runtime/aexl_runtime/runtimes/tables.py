"""From ``[runtimes.<name>]`` to where an interpreter is, or how it is made. Pure, but for reading a requirements file."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from aexl.api import BUILTIN
from aexl_runtime.settings import RuntimeTable

FOLDER: Final = "runtimes"
"""In ``AEXL_HOME``: the environments that were made, and what a worker is carried to other interpreters as."""

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)


class Environment(NamedTuple):
    """One that ``uv`` makes.

    Attributes:
        folder: Where it will be; its name is a digest of what it is made of.
        python: A version, as ``3.12``, or the path of an interpreter.
        requirements: Lines of a requirements file.
    """

    folder: Path
    python: str
    requirements: tuple[str, ...]


class Source(NamedTuple):
    """Where a runtime comes from.

    Attributes:
        python: What is started.
        made: How it is made, if it is ours to make.
        problem: Why it cannot be used, whatever is installed; empty if it can.
    """

    name: str
    python: Path
    made: Environment | None = None
    problem: str = ""


def read_tables(tables: Mapping[str, RuntimeTable], home: Path) -> dict[str, Source]:
    """Return every runtime by name."""
    return {name: _read(name, table, home) for name, table in sorted(tables.items())}


def _read(name: str, table: RuntimeTable, home: Path) -> Source:
    if _NAME.fullmatch(name) is None or name == BUILTIN:
        problem = f"use small letters, digits, '.', '_' and '-' for the name of a runtime, and not {BUILTIN!r}"
        return Source(name, Path(), problem=problem)
    try:
        return _source(name, table, home)
    except (OSError, UnicodeDecodeError) as error:
        return Source(name, Path(), problem=f"{table.requirements_file} cannot be read: {error}")


def _source(name: str, table: RuntimeTable, home: Path) -> Source:
    if table.venv:
        return Source(name, _path(table.venv, home) / "bin" / "python")
    if not (table.requirements or table.requirements_file):
        return Source(name, _path(table.python, home))
    lines = list(table.requirements)
    if table.requirements_file:
        lines += _path(table.requirements_file, home).read_text("utf-8").splitlines()
    python = table.python or f"{sys.version_info.major}.{sys.version_info.minor}"
    if "/" in python:
        python = str(_path(python, home))
    made = _environment(python, tuple(lines), home)
    return Source(name, made.folder / "bin" / "python", made)


def _environment(python: str, lines: tuple[str, ...], home: Path) -> Environment:
    kept = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    digest = hashlib.sha256("\n".join((python, *kept)).encode()).hexdigest()
    return Environment(home / FOLDER / f"env-{digest[:24]}", python, kept)


def _path(text: str, home: Path) -> Path:
    """Return an absolute path, links kept: an environment is known by the name its Python is called by."""
    return Path(os.path.normpath(home / Path(text).expanduser()))
