"""Which plugins there are: entry points of Python's environment, and what is installed below ``$AEXL_HOME/plugins``.

Nothing is imported here. A plugin of a folder is checked against the lock, and its
folder put on ``sys.path`` behind everything of the host's, when it is about to be
loaded; one that the configuration switches off is not even looked at.
"""

from __future__ import annotations

import importlib.metadata
import os
import site
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aexl.core.plugins.integrity import check_quickly
from aexl.core.plugins.loading import BUILT_IN, Source
from aexl.core.plugins.lock import ID, Lock, LockedPlugin, plugins_folder, read_lock
from aexl.errors import PluginError, Unavailable
from aexl.hookspecs import ENTRY_POINT_GROUP


def installed_sources(home: Path | None = None) -> list[Source]:
    """Return the entry points of every distribution of the environment, built-in ones first, then by name.

    A name that two distributions claim belongs to the first; the other comes
    back as a source that cannot load and says so.

    Args:
        home: What lies in this home is left out, though its folders may be on ``sys.path`` by now.
    """
    return _unique(_environment_sources(home))


def find_sources(home: Path) -> list[Source]:
    """Return what is installed in the environment and below the home; see ``installed_sources``."""
    return _unique([*_environment_sources(home), *_folder_sources(plugins_folder(home))])


def _unique(found: list[Source]) -> list[Source]:
    found.sort(key=lambda source: (source.origin != BUILT_IN, source.name, source.place, source.origin))
    unique: list[Source] = []
    taken: dict[str, str] = {}
    for source in found:
        if source.name in taken:
            clash = PluginError(source.name, "entry point", f"the name belongs to {taken[source.name]} already")
            unique.append(replace(source, name=f"{source.origin}/{source.name}", load=clash, enter=None))
        else:
            taken[source.name] = source.origin
            unique.append(source)
    return unique


def _environment_sources(home: Path | None) -> list[Source]:
    found: list[Source] = []
    for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        distribution = point.dist
        origin = distribution.name if distribution else "?"
        if distribution is not None and origin != BUILT_IN and home is not None and _is_below(home, distribution):
            continue
        version = distribution.version if distribution else "?"
        requires = tuple(distribution.requires or ()) if distribution else ()
        found.append(Source(point.name, origin, version, point, requires))
    return found


def _is_below(home: Path, distribution: importlib.metadata.Distribution) -> bool:
    return Path(str(distribution.locate_file(""))).is_relative_to(plugins_folder(home))


def _folder_sources(root: Path) -> list[Source]:
    """Return what the lock names, and as sources that cannot load what lies there without being named."""
    if not root.is_dir():
        return []
    try:
        lock = read_lock(root)
    except Unavailable as error:
        return [_stray(name, str(error)) for name in _folders(root)]
    sources = [source for plugin in lock.plugins.values() for source in _locked_sources(root, plugin)]
    return sources + [_stray(name, reason) for name, reason in _strays(root, lock)]


def _locked_sources(root: Path, plugin: LockedPlugin) -> Iterator[Source]:
    folder = Folder(root, plugin)
    for point in plugin.points:
        entry = importlib.metadata.EntryPoint(point.name, point.value, ENTRY_POINT_GROUP)
        yield Source(
            point.name,
            plugin.name,
            plugin.version,
            entry,
            plugin.requires,
            place="folder",
            enter=folder.enter,
            hooks=point.hooks,
        )


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _strays(root: Path, lock: Lock) -> Iterator[tuple[str, str]]:
    for name in _folders(root):
        if name not in lock.plugins and any(not ID.fullmatch(entry.name) for entry in (root / name).iterdir()):
            yield name, f"{root / name} was not put there by 'aexl plugin install'; give that command the wheel"


def _stray(name: str, reason: str) -> Source:
    return Source(name, name, "?", PluginError(name, "lock", reason), place="folder")


class Folder:
    """The folder of one installed distribution: checked once, then importable.

    Args:
        root: ``$AEXL_HOME/plugins``.
        plugin: What the lock says of it.
    """

    def __init__(self, root: Path, plugin: LockedPlugin) -> None:
        self._root = root
        self._plugin = plugin
        self._entered = False

    def enter(self) -> None:
        """Check the files and put the folder on ``sys.path``.

        Raises:
            PluginError: If a file is not what was installed, or this is another Python than it was installed for.
        """
        if self._entered:
            return
        problem = wrong_python(self._plugin) or check_quickly(self._root, self._plugin)
        if problem is not None:
            problem = self._look_again(problem)
        if problem is not None:
            raise PluginError(self._plugin.name, "lock", problem)
        make_importable(self._root / self._plugin.folder)
        self._entered = True

    def _look_again(self, problem: str) -> str | None:
        """Read the lock again: an upgrade may have replaced it, and the folder, since."""
        now = read_lock(self._root).plugins.get(self._plugin.name)
        if now is None or now.folder == self._plugin.folder:
            return problem
        self._plugin = now
        return wrong_python(now) or check_quickly(self._root, now)


def wrong_python(plugin: LockedPlugin) -> str | None:
    """Return a sentence if a plugin was unpacked and compiled for another Python than this."""
    if plugin.python == sys.implementation.cache_tag:
        return None
    return f"it was installed for {plugin.python}, and this is {sys.implementation.cache_tag}; install it again"


def make_importable(folder: Path) -> None:
    """Put a folder on ``sys.path`` behind everything of the host's, and follow its ``.pth`` files (editable installs)."""
    if sys.flags.optimize:
        sys.dont_write_bytecode = True  # byte code of this level is not in the lock, and would count as added
    if any(entry.suffix == ".pth" for entry in folder.iterdir()):
        site.addsitedir(str(folder))
    elif str(folder) not in sys.path:
        sys.path.append(str(folder))
