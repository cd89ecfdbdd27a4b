"""The command of a built-in plugin that is called like it, found without loading the other plugins.

Built-in plugins are asked before all others, so a name that one of them offers is
its own, unless ``[plugins] prefer`` gives it to another. Where anything is out of
the ordinary, nothing is found here, and all plugins are asked as always.

The entry points are read from their file: ``importlib.metadata`` takes longer to
import than all that is done here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from aexl import __version__
from aexl.core.home import FILE_NAME
from aexl.errors import AexlError
from aexl.hookspecs import ENTRY_POINT_GROUP

if TYPE_CHECKING:
    from aexl.api import Command


def find_namesake(home: Path, name: str) -> Command | None:
    """Return the command that a built-in plugin of this name, in the singular or plural, offers under it."""
    for plugin, module, kind in _built_in():
        if plugin in (name, f"{name}s") and _is_ordinary(home, plugin):
            try:
                commands: Sequence[Command] = getattr(import_module(module), kind)().aexl_commands()
            except Exception:  # whatever it is: loading the plugins one by one finds it again, and names it
                return None
            return next((command for command in commands if command.name == name), None)
    return None


def _built_in() -> Iterator[tuple[str, str, str]]:
    """Yield the name, module and class of each built-in plugin, where our own distribution is found at once."""
    for folder in sys.path:
        try:
            text = Path(folder, f"aexl-{__version__}.dist-info", "entry_points.txt").read_text(encoding="utf-8")
        except OSError:
            continue
        _, _, points = text.partition(f"[{ENTRY_POINT_GROUP}]\n")
        for line in points.partition("\n[")[0].splitlines():
            plugin, equals, place = line.partition(" = ")
            module, colon, kind = place.partition(":")
            if equals and colon:
                yield plugin, module, kind
        return


def _is_ordinary(home: Path, plugin: str) -> bool:
    if not (home / FILE_NAME).exists():
        return True
    from aexl.core.config.loading import read_table
    from aexl.core.config.own import PluginsSection

    try:
        section = read_table("plugins", PluginsSection, home=home, flags={})
    except AexlError:
        return False
    return plugin not in section.off and not section.prefer
