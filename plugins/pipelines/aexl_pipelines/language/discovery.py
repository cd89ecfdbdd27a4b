"""Which files are pipelines, what they are called, and which counts where none is named.

Reads folders' names, no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from aexl.errors import NotFound
from aexl_pipelines.language.problems import suggest

DEFAULT_NAMES: Final = (".aexl.yaml", ".aexl/default.yaml", ".ail.yaml", ".ail/default.yaml")
"""What a folder's own pipeline is called, the first that is there."""

_MARKS: Final = (".git", "aexl.toml", ".aexl")
_MOST: Final = 1_000
_SUFFIXES: Final = (".yaml", ".yml")
CASES: Final = ".cases"
"""What the name of a case file ends with, before ``.yaml``: it is no pipeline."""

Where = Literal["project", "home"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A pipeline file.

    Attributes:
        name: What ``--pipeline`` takes for it.
    """

    name: str
    path: Path
    where: Where


def find_project(here: Path) -> Path:
    """Return the nearest folder from ``here`` upwards that is a project's root; ``here`` where none is."""
    for folder in (here, *here.parents):
        if any((folder / mark).exists() for mark in _MARKS):
            return folder
    return here


def folders_above(here: Path) -> list[Path]:
    """Return ``here`` and the folders above it, up to the project's root."""
    root = find_project(here)
    return [folder for folder in (here, *here.parents) if folder.is_relative_to(root)]


def find_default(here: Path, home: Path) -> Path | None:
    """Return the file that counts where none is named; ``None`` for passing prompts through.

    Looks in ``here`` and the folders above it, up to the project's root: a file in a folder that
    everybody may write to, somewhere above, is nobody's pipeline.
    """
    for folder in folders_above(here):
        for name in DEFAULT_NAMES:
            if (folder / name).is_file():
                return folder / name
    own = home / "pipelines" / "default.yaml"
    return own if own.is_file() else None


def find_all(here: Path, home: Path) -> list[Found]:
    """Return all pipelines that have a name here, by name; the project's come before the person's."""
    root = find_project(here)
    found: dict[str, Found] = {}
    for name, path in (*_of_project(root), *_of_folder(home / "pipelines", "")):
        where: Where = "home" if path.is_relative_to(home / "pipelines") else "project"
        found.setdefault(name, Found(name=name, path=path, where=where))
    return sorted(found.values(), key=lambda each: each.name)


def _of_project(root: Path) -> Iterator[tuple[str, Path]]:
    for name in (".aexl.yaml", ".ail.yaml"):
        if (root / name).is_file():
            yield "default", root / name
    for folder in (".aexl", ".ail"):
        yield from _of_folder(root / folder, "")
        yield from _of_folder(root / folder / "pipelines", "")
        for inner in _listed(root / folder):
            if inner.is_dir() and inner.name not in {"pipelines", "skills"}:
                yield from _of_folder(inner, inner.name)


def _of_folder(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Yield the files of one folder: ``ops`` for ``ops/default.yaml``, ``ops/review`` for ``ops/review.ail.yaml``."""
    for path in _listed(folder):
        stem = path.name
        for suffix in _SUFFIXES:
            stem = stem.removesuffix(suffix)
        if stem == path.name or not path.is_file() or path.name.startswith(".") or stem == "template":
            continue
        if stem.endswith(CASES):
            continue
        stem = stem.removesuffix(".ail").removesuffix(".aexl")
        yield (prefix or "default") if stem == "default" else f"{prefix}/{stem}" if prefix else stem, path


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:_MOST]
    except OSError:  # a folder that is not there, or not ours to read, has no pipelines for us
        return []


def _look_for(given: str) -> tuple[Path, bool]:
    """Return the path that a text means, and whether a file is there; a name that is too long, or no user's, is none."""
    try:
        path = Path(given).expanduser()
        return path, path.is_file()
    except (OSError, RuntimeError):
        return Path(given), False


def choose(given: str | None, here: Path, home: Path) -> Path | None:
    """Return the file that ``--pipeline`` means, or the one that counts without it.

    Raises:
        NotFound: If there is no such file and no such name.
    """
    if given is None:
        return find_default(here, home)
    path, there = _look_for(given)
    if there or given.endswith(_SUFFIXES) or given.startswith((".", "/", "~")):
        if not there:
            raise NotFound(f"there is no pipeline file {given}")
        return path.absolute()
    everything: Sequence[Found] = find_all(here, home)
    for found in everything:
        if found.name == given:
            return found.path
    hint = suggest(given, [found.name for found in everything])
    raise NotFound(f"there is no pipeline {given!r}" + (f"; {hint}" if hint else "; see 'aexl pipeline list'"))
