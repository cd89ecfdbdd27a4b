"""Which dialect a provider's calls are translated into. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from aexl.api import Surface
from aexl_translation.dialects import COUNTING, Dialect, dialect_of
from aexl_translation.settings import TranslationSection

DIALECTS: Final = get_args(Dialect)
"""Also the order in which a provider's dialects are preferred: every compatible server has the first."""


class Routes:
    """One provider's ways, by one configuration.

    Attributes:
        native: Surfaces that pass straight through, whatever their path.
        into: What each other dialect is translated into.
        surfaces: All of them.
        counts: The dialect in which the provider counts tokens for another.
        spoken: The dialects that the provider's server really has.
    """

    __slots__ = ("counts", "into", "native", "spoken", "surfaces")

    def __init__(self, name: str, inner: frozenset[Surface], section: TranslationSection) -> None:
        spoken: list[Dialect] = [dialect for dialect in DIALECTS if dialect in inner]
        self.into: Mapping[Dialect, Dialect] = {}
        self.counts: Dialect | None = None
        self.native = self.surfaces = inner
        if section.off:
            self.spoken: frozenset[Dialect] = frozenset(spoken)
            return
        if name in section.speaks:
            spoken = [dialect for dialect in spoken if dialect in section.speaks[name]]
        self.spoken = frozenset(spoken)
        if spoken:
            chosen = section.prefer.get(name)
            best = chosen if chosen in self.spoken else spoken[0]
            self.into = {dialect: best for dialect in DIALECTS if dialect not in self.spoken}
        silent: set[Surface] = {dialect for dialect in DIALECTS if dialect not in self.spoken}
        if "responses" in silent:
            silent.add("stored")
        if "count" in inner:
            # It has one word for every dialect, and the path says which; so its calls are looked at one by one.
            silent.add("count")
            self.counts = next((dialect for dialect in COUNTING if dialect in self.spoken), None)
        self.native = inner - silent
        counted: frozenset[Surface] = inner & {"count"} if spoken else frozenset()
        self.surfaces = self.native | frozenset(self.into) | counted

    def counting(self, path: str) -> Dialect | None:
        """Return the dialect in which a call to count tokens must be translated; ``None`` if it passes as it is."""
        dialect = dialect_of(path)
        return None if dialect in self.spoken else dialect
