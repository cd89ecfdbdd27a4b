"""A provider that can be called in every dialect, around one that speaks some of them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from aexl.api import Call, Host, Provider, Reply, Surface, Target
from aexl.api.calls import Config
from aexl_translation.dialects import Dialect
from aexl_translation.routes import Routes
from aexl_translation.settings import TranslationSection


class TranslatingProvider:
    """See ``aexl.api.Provider``. Calls that the inner provider speaks reach it as they are.

    Args:
        inner: Who is called.
        host: Has the configuration in force.
    """

    def __init__(self, inner: Provider, host: Host) -> None:
        self.name = inner.name
        self._inner = inner
        self._host = host
        self._config: Config | None = None
        self._section = TranslationSection()
        self._routes = Routes(inner.name, inner.surfaces, self._section)

    @property
    def surfaces(self) -> frozenset[Surface]:
        """The inner provider's dialects, and those that are translated into one of them."""
        return self._current().surfaces

    def open(self, call: Call, target: Target) -> AbstractAsyncContextManager[Reply]:
        """Return the context of one call; see ``aexl.api.Provider``.

        What cannot be translated is answered with a 400 in the caller's dialect,
        and nothing is sent.
        """
        routes = self._routes if self._host.current is self._config else self._current()
        surface = call.surface
        if surface in routes.native:
            return self._inner.open(call, target)
        if surface == "count":
            counted = routes.counting(call.path)
            return (
                self._inner.open(call, target)
                if counted is None
                else self._exchange(call, target, counted, routes.counts)
            )
        for dialect, into in routes.into.items():
            if dialect == surface:
                return self._exchange(call, target, dialect, into)
        return self._inner.open(call, target)

    def _exchange(
        self, call: Call, target: Target, origin: Dialect, into: Dialect | None
    ) -> AbstractAsyncContextManager[Reply]:
        from aexl_translation.exchange import Exchange  # only where it is used: reading its modules takes a while

        return Exchange(self._inner, call, target, origin, into, self._section)

    def _current(self) -> Routes:
        config = self._host.current
        if config is not self._config:
            self._section = config.section(TranslationSection)
            self._routes = Routes(self.name, self._inner.surfaces, self._section)
            self._config = config
        return self._routes
