"""Loading plugins one by one.

Each is imported in a guard of its own: one that fails is switched off and keeps
its reason, the others go on. Which plugins exist is the subject of ``sources``;
what they answer is the registry's.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pluggy

from aexl import __version__
from aexl.errors import PluginError
from aexl.hookspecs import PROJECT, Plugin

BUILT_IN: Final = "aexl"

SWITCHED_OFF: Final = "switched off by [plugins] off"

Place = Literal["environment", "folder"]
"""Where a plugin lies: in Python's own environment, aexl's wheel included, or in a folder below ``$AEXL_HOME/plugins``."""


@dataclass(slots=True)
class PluginRecord:
    """What is known of one plugin.

    Attributes:
        origin: The distribution it comes from.
        reason: Why it is off; ``None`` while it is on.
        hooks: The hooks it implements; what was seen when it was installed while it is off, if that is known.
    """

    name: str
    origin: str
    version: str
    reason: str | None = None
    place: Place = "environment"
    hooks: tuple[str, ...] = ()

    @property
    def built_in(self) -> bool:
        """It comes with aexl."""
        return self.origin == BUILT_IN


@dataclass(frozen=True, slots=True)
class Source:
    """Something to load: an entry point, or in tests an object.

    Attributes:
        enter: Called before the plugin is imported: makes what it needs importable, or raises what is wrong with it.
        hooks: The hooks it implements, where they are known before it is imported.
    """

    name: str
    origin: str
    version: str
    load: object  # an importlib EntryPoint, or the plugin itself
    requires: tuple[str, ...] = ()
    place: Place = "environment"
    enter: Callable[[], None] | None = None
    hooks: tuple[str, ...] = ()


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
        self.records = {
            s.name: PluginRecord(s.name, s.origin, s.version, place=s.place, hooks=s.hooks) for s in ordered
        }
        for source in reversed(ordered):  # pluggy asks who was registered last first
            record = self.records[source.name]
            if source.name in off:
                record.reason = SWITCHED_OFF
                continue
            try:
                record.hooks = self._register(source)
            except PluginError as error:
                record.reason = error.problem

    def _register(self, source: Source) -> tuple[str, ...]:
        try:
            check_requirement(source)
            if source.enter is not None:
                source.enter()
            plugin = source.load.load() if isinstance(source.load, importlib.metadata.EntryPoint) else source.load
            if isinstance(plugin, Exception):
                raise plugin
            if inspect.isclass(plugin):
                plugin = plugin()
            self.manager.register(plugin, name=source.name)
            self.manager.check_pending()
            return tuple(sorted(caller.name for caller in self.manager.get_hookcallers(plugin) or ()))
        except PluginError:
            raise
        except (Exception, SystemExit) as error:  # a plugin that calls sys.exit ends itself, not the program
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
        return self.ask_each(hook, arguments)

    def ask_each(self, hook: str, arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        """Do the same; what is changed in ``arguments`` after an answer is what the next plugin is asked with."""
        caller: pluggy.HookCaller = getattr(self.manager.hook, hook)
        for impl in reversed(caller.get_hookimpls()):
            name = impl.plugin_name
            try:
                if impl.wrapper or impl.hookwrapper:
                    raise PluginError(name, hook, "wrappers are not used here; return an object that wraps")
                answer = impl.function(*(arguments[argument] for argument in impl.argnames))
            except (Exception, SystemExit) as error:
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
