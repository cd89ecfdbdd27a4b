"""Where policies come from: files of the operator, and entry points of installed packages."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from aexl.errors import ConfigError, Problem

ENTRY_POINT_GROUP: Final = "aexl.policies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One policy: ``name`` is a file's name or an entry point's; ``path`` is empty for the latter."""

    name: str
    path: str = ""


def find_sources(home: Path, patterns: Sequence[str]) -> list[Source]:
    """Return the policies in the order in which they are asked: files by pattern and name, then entry points by name.

    Raises:
        ConfigError: If a pattern without wildcards names no file.
    """
    paths: dict[str, Source] = {}
    for pattern in patterns:
        full = str(home / Path(pattern).expanduser())
        found = sorted(path for path in glob.glob(full) if Path(path).is_file())  # noqa: PTH207 - patterns may be absolute
        if not found and not glob.has_magic(full):
            raise ConfigError([Problem(key="policy.files", message=f"there is no policy file {full!r}")])
        paths.update((path, Source(name=Path(path).name, path=path)) for path in found)
    installed = sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})
    return [*paths.values(), *(Source(name=name) for name in installed)]
