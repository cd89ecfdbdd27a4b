"""Which case files a command means. Reads folders' names, no files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from aexl.errors import Invalid, NotFound
from aexl_pipelines.cases.loading import SUFFIXES
from aexl_pipelines.language.discovery import folders_above

MOST_FILES: Final = 1_000
_OTHERS: Final = frozenset({".git", "node_modules", ".venv", "venv", "__pycache__", ".tox"})
_OURS: Final = (".aexl", ".ail")


def find_case_files(given: Sequence[Path], here: Path) -> list[Path]:
    """Return the case files that are named, those in folders that are named, or, without names, those that count here.

    They are in this folder and those above it, up to the project's root: beside ``.aexl.yaml`` and ``.ail.yaml``, and
    anywhere below ``.aexl`` and ``.ail``.

    Raises:
        NotFound: If something named is not there, or there is none at all.
        Invalid: If there are too many, or a file is none by its name.
    """
    found: dict[Path, None] = {}
    for path in given:
        for each in _named(path):
            found.setdefault(each)
    if not given:
        found = dict.fromkeys(path for folder in folders_above(here) for path in _of_folder(folder))
    if not found:
        where = ", ".join(str(path) for path in given) or str(here)
        raise NotFound(
            f"there are no cases in {where}: write some into .aexl.cases.yaml, or begin with 'aexl pipeline init'"
        )
    if len(found) > MOST_FILES:
        raise Invalid(f"there are more than {MOST_FILES} case files: name fewer")
    return list(found)


def is_case_file(path: Path) -> bool:
    """Say whether a file is one of cases, by its name."""
    return path.name.endswith(SUFFIXES)


def _named(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from _below(path)
    elif not path.is_file():
        raise NotFound(f"there is no file or folder {path}")
    elif not is_case_file(path):
        raise Invalid(f"{path} is not a case file: its name must end with {SUFFIXES[0]}")
    else:
        yield path.absolute()


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder.absolute()):
        folders[:] = sorted(name for name in folders if name not in _OTHERS)
        yield from (Path(root, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _of_folder(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.iterdir() if is_case_file(path) and path.is_file())
    for name in _OURS:
        yield from _below(folder / name)
