"""The catalogue as the host sees it: it plans calls, lists models and follows the configuration."""

from __future__ import annotations

import datetime as dt
import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from aexl.api import Call, Config, Model, Outcome, Plan, Provider, Sample, Surface, Target
from aexl.errors import Refused
from aexl_catalog.entries import Entries, Entry
from aexl_catalog.planner import plan_call, plan_free
from aexl_catalog.prices import Catalogue, shipped
from aexl_catalog.routing.health import Health
from aexl_catalog.settings import CatalogSection, ModelTable

ENDPOINTS: Final[Mapping[Surface, str]] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "gemini": "/v1beta/models/…:generateContent",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
FREE_SURFACES: Final[frozenset[Surface]] = frozenset({"count", "moderations", "stored"})
"""What costs nothing by its nature."""

_COUNTED: Final[Mapping[str, Surface]] = {"messages": "messages", "models": "gemini"}
_MAX_FOUND: Final = 4096
"""Names of shipped models that are remembered; a name that is not costs a walk through the catalogue."""

_MAX_NAME: Final = 200
"""Characters of an unknown name that a refusal repeats and compares with others."""

_DAY: Final = 86400


class Catalog:
    """Plays ``Dispatcher`` and ``Models``, and is ``Reloadable``.

    Without a configuration it knows the shipped models.

    Args:
        catalogue: What ships; read from the package where a test gives none.
        now: The clock, in Unix seconds: prices change at midnight, UTC.
    """

    def __init__(self, catalogue: Callable[[], Catalogue] = shipped, now: Callable[[], float] = time.time) -> None:
        self._catalogue = catalogue
        self._now = now
        self._tables: Mapping[str, ModelTable] = {}
        self._section = section = CatalogSection()
        self._health = Health(section.breaker_failures, section.breaker_seconds)
        self._entries: Entries | None = None
        self._until = 0.0
        self._found: dict[str, tuple[Entry, ...]] = {}
        self._listing: tuple[Entry, ...] | None = None
        self._providers: Mapping[str, Provider] = {}

    # Reloadable

    async def prepare(self, config: Config) -> Callable[[], None]:
        """Read the tables; see ``aexl.api.Reloadable``."""
        tables, section = dict(config.mapping(ModelTable)), config.section(CatalogSection)
        until, entries = self._build(tables, section)

        def swap() -> None:
            self._tables, self._section = tables, section
            self._until, self._entries = until, entries
            self._forget()
            self._health.follow(section.breaker_failures, section.breaker_seconds)

        return swap

    def _build(self, tables: Mapping[str, ModelTable], section: CatalogSection) -> tuple[float, Entries]:
        now = self._now()
        day = dt.datetime.fromtimestamp(now, dt.UTC).date()
        return (now // _DAY + 1) * _DAY, Entries(tables, section, self._catalogue(), day)

    def _current(self) -> Entries:
        if self._entries is None or self._now() >= self._until:
            self._until, self._entries = self._build(self._tables, self._section)
            self._forget()
        return self._entries

    def _forget(self) -> None:
        self._found = {}
        self._listing = None

    # Dispatcher

    def plan(self, call: Call, providers: Mapping[str, Provider]) -> Plan:
        """Plan a call; see ``aexl.api.Dispatcher``. Some ten microseconds for a plain one."""
        if providers is not self._providers:
            self.meet(providers)
        entries = self._current()
        configured = entries.configured.get(call.model)
        if configured is not None:
            candidates: Sequence[Entry] = (configured,)
            if configured.fallbacks:
                candidates = (configured, *(entries.configured[name] for name in configured.fallbacks))
        else:
            candidates = self._found.get(call.model) or self._find(entries, call.model)
        fitting = [
            entry
            for entry in candidates
            if _speaks(providers.get(entry.provider), call) and (entry.price is not None or entry is candidates[0])
        ]
        if not fitting or fitting[0] is not candidates[0]:
            fitting = self._narrow(call, candidates, fitting, configured is not None)
        if call.surface in FREE_SURFACES:
            return plan_free(fitting)
        if configured is None:
            return plan_call(call, fitting[:1])
        return plan_call(call, self._health.arrange(fitting, configured.balance), configured)

    def report(self, target: Target, outcome: Outcome) -> None:  # noqa: ARG002 - the outcome names it
        """Hear how a target did."""
        self._health.report(outcome)

    def samples(self) -> Iterator[Sample]:
        """Return what ``/metrics`` shows of the targets."""
        return self._health.samples()

    def meet(self, providers: Mapping[str, Provider]) -> None:
        """Learn which providers there are. Must not wait."""
        if tuple(providers) != tuple(self._providers):
            self._forget()
        self._providers = providers

    def _find(self, entries: Entries, model: str) -> tuple[Entry, ...]:
        """Return the shipped models of a name, at each provider that has it, and remember them.

        Raises:
            Refused: If there is none.
        """
        found = tuple(self._search(entries, model)) if entries.auto else ()
        if not found:
            raise self._unknown(entries, model)
        if len(self._found) < _MAX_FOUND:
            self._found[model] = found
        return found

    def _search(self, entries: Entries, model: str) -> Iterator[Entry]:
        provider, slash, rest = model.partition("/")
        if slash and provider in self._providers:
            entry = entries.shipped(provider, rest)
            if entry is not None:
                yield entry
        for name in self._providers:
            entry = entries.shipped(name, model)
            if entry is not None:
                yield entry

    def _listed(self, entries: Entries) -> tuple[Entry, ...]:
        """Return the shipped models, each at the provider that a call by its name goes to first."""
        if self._listing is None:
            self._listing = tuple(
                entry
                for provider in (self._providers if entries.auto else ())
                for entry in entries.listed(provider)
                if entry.name not in entries.configured and next(self._search(entries, entry.name)).provider == provider
            )
        return self._listing

    def _narrow(self, call: Call, candidates: Sequence[Entry], fitting: list[Entry], configured: bool) -> list[Entry]:
        """Return the models that can take the call, where the best of them cannot; a fallback does not stand in."""
        if fitting and not configured:
            return fitting
        first = candidates[0]
        provider = self._providers.get(first.provider)
        if provider is None:
            raise Refused(
                f"the model {call.model!r} is served by {first.provider!r}, which is not configured; "
                f"add [providers.{first.provider}] to aexl.toml",
                code="provider_not_configured",
                status=404,
                param="model",
            )
        ways = [ENDPOINTS[surface] for surface in sorted(provider.surfaces) if surface in ENDPOINTS]
        raise Refused(
            f"the model {call.model!r} is served by {first.provider!r}, which cannot be called in this way; "
            f"use {' or '.join(ways) or 'another model'}",
            code="wrong_surface",
            status=400,
            param="model",
        )

    def _unknown(self, entries: Entries, model: str) -> Refused:
        names = [*entries.configured, *(entry.name for entry in self._listed(entries))]
        close = difflib.get_close_matches(model[:_MAX_NAME], names, n=3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else "; see `aexl models list`"
        return Refused(
            f"there is no model {model[:_MAX_NAME]!r}{hint}", code="model_not_found", status=404, param="model"
        )

    # Models

    async def list(self) -> Sequence[Model]:
        """Return every model that can be called, by name; see ``aexl.api.Models``."""
        entries = self._current()
        models = {name: self._model(entry) for name, entry in entries.configured.items()}
        for entry in self._listed(entries):
            models[entry.name] = self._model(entry)
        return [models[name] for name in sorted(models)]

    def _model(self, entry: Entry) -> Model:
        provider = self._providers.get(entry.provider)
        surfaces = provider.surfaces - {"count", "stored"} if provider is not None else frozenset[Surface]()
        return Model(
            name=entry.name,
            owner=entry.provider,
            provider_model=entry.provider_model,
            created=entry.created,
            surfaces=tuple(sorted(surfaces)),
            context=entry.context,
            output=entry.output,
            price=entry.price,
            price_version=entry.price.version if entry.price is not None else "",
            capabilities=tuple(sorted(entry.capabilities or ())),
            health=self._health.describe(entry),
        )


def _speaks(provider: Provider | None, call: Call) -> bool:
    if provider is None:
        return False
    surface = call.surface
    if surface == "count":  # one word for three dialects; the path says which
        dialect = _COUNTED.get(call.path.split("/", 2)[1], "responses")
        return surface in provider.surfaces and dialect in provider.surfaces
    return surface in provider.surfaces
