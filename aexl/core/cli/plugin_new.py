"""``aexl plugin new``: a complete project to begin with."""

from __future__ import annotations

import enum
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aexl.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from aexl.templates.filling import Kind


class Kinds(enum.StrEnum):
    """What ``--kind`` can be."""

    PROVIDER = "provider"
    ADMISSION = "admission"
    PAGE = "page"


def new(
    name: str = typer.Argument(help="Lower-case words joined by hyphens."),
    kind: Kinds = typer.Option(Kinds.PROVIDER, "--kind", help="A model, a gate, or a page that aexl serves."),
    into: Path = typer.Option(Path(), "--into", help="Make the project's folder in this one; here by default."),
) -> None:
    """Make a plugin's project: package, entry point, tests, README and Makefile.

    It passes its own tests as it is. 'make test' and 'make wheel' in it need nothing but aexl.
    """
    from aexl.api.programs import own_program
    from aexl.core.plugins import BUILT_IN, installed_sources
    from aexl.templates.filling import fill

    files = fill(name, _kind(kind), quote_for_make(own_program()))
    if any(source.name == name and source.origin == BUILT_IN for source in installed_sources()):
        raise Conflict(f"aexl has a plugin {name!r} of its own; choose another name")
    folder = into / name
    if folder.exists() or folder.is_symlink():
        raise Conflict(f"{folder} exists already; choose another name, or another folder with --into")
    write_project(folder, files)
    sys.stdout.write(
        f"{folder}: a plugin to begin with ({kind}), and {len(files)} files.\n"
        f"Next: cd {shlex.quote(str(folder))} && make test && make wheel\n"
    )


def _kind(kind: Kinds) -> Kind:
    return kind.value


def quote_for_make(command: list[str]) -> str:
    """Return a command as the value of a makefile's variable that a recipe can use."""
    return shlex.join(command).replace("$", "$$").replace("#", "\\#")


def write_project(folder: Path, files: Mapping[str, str]) -> None:
    """Write a project's files: all of them, or no folder.

    Raises:
        Unavailable: If the folder cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for path, text in files.items():
                target = staged / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, "utf-8")
            staged.chmod(0o755)
            staged.rename(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be made: {error.strerror or error}") from error
