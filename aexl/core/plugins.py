"""Finding plugins and loading them one by one.

Entry points are read without importing anything. Each is then imported in a
guard of its own: one that fails is switched off and keeps its reason, the
others go on. Which plugins exist is decided here; what they answer is the
registry's subject.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pluggy

from aexl import __version__
from aexl.errors import PluginError
from aexl.hookspecs import ENTRY_POINT_GROUP, PROJECT, Plugin

BUILT_IN = "aexl"


@dataclass(slots=True)
class PluginRecord:
    """What is known of one plugin.

    Attributes:
        origin: The distribution it comes from, with its version.
        reason: Why it is off; ``None`` while it is on.
    """

    name: str
    origin: str
    version: str
    reason: str | None = None

    @property
    def built_in(self) -> bool:
        """It comes with aexl."""
        return self.origin == BUILT_IN


@dataclass(frozen=True, slots=True)
class Source:
    """Something to load: an entry point, or in tests an object."""

    name: str
    origin: str
    version: str
    load: object  # an importlib EntryPoint, or the plugin itself
    requires: tuple[str, ...] = ()


def installed_sources() -> list[Source]:
    """Return the entry points of every installed distribution, built-in ones first, then by name.

    A name that two distributions claim belongs to the first; the other comes
    back as a source that cannot load and says so.
    """
    found: list[Source] = []
    taken: dict[str, str] = {}
    for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        distribution = point.dist
        origin = distribution.name if distribution else "?"
        version = distribution.version if distribution else "?"
        requires = tuple(distribution.requires or ()) if distribution else ()
        found.append(Source(point.name, origin, version, point, requires))
    found.sort(key=lambda source: (source.origin != BUILT_IN, source.name, source.origin))
    unique: list[Source] = []
    for source in found:
        if source.name in taken:
            clash = PluginError(source.name, "entry point", f"the name belongs to {taken[source.name]} already")
            unique.append(Source(f"{source.origin}/{source.name}", source.origin, source.version, clash))
        else:
            taken[source.name] = source.origin
            unique.append(source)
    return unique


class Plugins:
    """The plugins that were found, and which of them are on.

    Args:
        sources: What to load, in the order in which hooks ask; on a conflict of names the first one wins.
        off: Names that the configuration switches off; they are not even imported.
    """

    def __init__(self, sources: Iterable[Source], *, off: Sequence[str] = ()) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(Plugin)
        ordered = list(sources)
        self.records = {s.name: PluginRecord(s.name, s.origin, s.version) for s in ordered}
        for source in reversed(ordered):  # pluggy asks who was registered last first
            record = self.records[source.name]
            if source.name in off:
                record.reason = "switched off by [plugins] off"
                continue
            try:
                self._register(source)
            except PluginError as error:
                record.reason = error.problem

    def _register(self, source: Source) -> None:
        try:
            check_requirement(source)
            plugin = source.load.load() if isinstance(source.load, importlib.metadata.EntryPoint) else source.load
            if isinstance(plugin, Exception):
                raise plugin
            if inspect.isclass(plugin):
                plugin = plugin()
            self.manager.register(plugin, name=source.name)
            self.manager.check_pending()
        except PluginError:
            raise
        except Exception as error:
            if self.manager.has_plugin(source.name):
                self.manager.unregister(name=source.name)
            raise PluginError(source.name, "import", f"{type(error).__name__}: {error}") from error

    def switch_off(self, name: str, reason: str) -> None:
        """Take a plugin out; its hooks are not asked any more."""
        self.records[name].reason = reason
        if self.manager.has_plugin(name):
            self.manager.unregister(name=name)

    def is_on(self, name: str) -> bool:
        """Return whether a plugin takes part."""
        record = self.records.get(name)
        return record is not None and record.reason is None

    def ask(self, hook: str, **arguments: object) -> Iterator[tuple[str, object]]:
        """Ask every plugin that is on, in hook order, and say who answered what.

        ``hook(**arguments)`` would lose the names, and one failing plugin would
        silence the others. A plugin that raises is switched off.
        """
        caller: pluggy.HookCaller = getattr(self.manager.hook, hook)
        for impl in reversed(caller.get_hookimpls()):
            name = impl.plugin_name
            try:
                if impl.wrapper or impl.hookwrapper:
                    raise PluginError(name, hook, "wrappers are not used here; return an object that wraps")
                answer = impl.function(*(arguments[argument] for argument in impl.argnames))
            except Exception as error:
                self.switch_off(name, f"{hook}: {type(error).__name__}: {error}")
            else:
                yield name, answer


def check_requirement(source: Source) -> None:
    """Refuse a plugin whose distribution asks for another aexl than this one.

    Raises:
        PluginError: If a requirement on ``aexl`` excludes the running version.
    """
    if source.origin == BUILT_IN or not source.requires:
        return
    from packaging.requirements import Requirement

    for text in source.requires:
        requirement = Requirement(text)
        applies = requirement.marker is None or requirement.marker.evaluate()
        if requirement.name == "aexl" and applies and not requirement.specifier.contains(__version__, prereleases=True):
            raise PluginError(source.name, "requirement", f"needs aexl {requirement.specifier}, this is {__version__}")
