"""What the configuration and the shipped catalogue say of a model, ready to be planned with."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aexl.api import Price
from aexl.errors import ConfigError, Invalid, Problem
from aexl_catalog.prices import Catalogue, Found
from aexl_catalog.pricing import FREE, PriceTable, missing, read_price
from aexl_catalog.settings import CAPABILITIES, CatalogSection, LimitsTable, ModelTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model that can be planned.

    Attributes:
        price: ``None`` refuses calls.
        context: Tokens of input and output together.
        output: The most output tokens of one answer.
        enforced: The model could write more than ``output``, so that it must be sent.
        capabilities: ``None`` does not restrict.
        balance: How it and its fallbacks are put in order.
        weight: Against those of the others, where they are drawn.
        rounds: How often all of them are tried.
        patience: The most seconds to wait before a round.
        unpriced: Kinds of input that have no price; ``input`` and ``output`` where their tokens have none.
        seconds: The longest sound that it takes.
        varies: The price has tiers, so that its dearest rate depends on the call.
        dearest_input: Picos per token, of the ordinary rates.
        dearest_output: Picos per token, of the ordinary rates.
    """

    name: str
    provider: str
    provider_model: str
    price: Price | None
    context: int | None = None
    output: int | None = None
    enforced: bool = False
    capabilities: frozenset[str] | None = None
    fallbacks: tuple[str, ...] = ()
    balance: Literal["order", "weight", "latency"] = "order"
    weight: float = 1.0
    rounds: int = 1
    patience: float = 10.0
    unpriced: frozenset[str] = frozenset()
    seconds: float | None = None
    created: int = 0
    varies: bool = field(init=False)
    dearest_input: int = field(init=False)
    dearest_output: int = field(init=False)

    def __post_init__(self) -> None:
        price = self.price or FREE
        object.__setattr__(self, "varies", bool(price.tiers or price.service))
        object.__setattr__(self, "dearest_input", price.rates.dearest_input)
        object.__setattr__(self, "dearest_output", price.rates.dearest_output)


class Entries:
    """All models, on one day, under one configuration.

    Args:
        tables: ``[models.<name>]``.
        section: ``[catalog]``.
        catalogue: The shipped catalogue.
        day: The day whose prices count, in UTC.

    Raises:
        ConfigError: If a value of the tables is wrong; names every one.
    """

    def __init__(
        self, tables: Mapping[str, ModelTable], section: CatalogSection, catalogue: Catalogue, day: dt.date
    ) -> None:
        self.auto = section.auto
        self.catalogue = catalogue
        self._day = day
        self._section = section
        self._listed: dict[str, Sequence[Entry]] = {}
        problems = [*_check_section(section, catalogue), *_check_tables(tables)]
        self._overrides: dict[str, tuple[Price | None, frozenset[str], LimitsTable]] = {}
        for name, override in section.overrides.items():
            key = f"catalog.overrides.{name}"
            price = _read(override.price, override.free, key, problems)
            lacks = missing(override.price) if override.price is not None else frozenset[str]()
            self._overrides[name] = price, lacks, override.limits
        self.configured: dict[str, Entry] = {
            name: self._configured(name, table, problems) for name, table in tables.items()
        }
        if problems:
            raise ConfigError(problems)

    def kind_of(self, provider: str) -> str | None:
        """Return the catalogue's name for a provider of the configuration."""
        kind = self._section.providers.get(provider)
        return self.catalogue.kind_of(provider) if kind is None else kind or None

    def shipped(self, provider: str, model: str) -> Entry | None:
        """Return a model of the shipped catalogue, at a provider, by any name the provider takes."""
        kind = self.kind_of(provider)
        found = self._find(kind, model) if kind is not None else None
        if found is None:
            return None
        return self._entry(provider, model, model, found)

    def listed(self, provider: str) -> Sequence[Entry]:
        """Return a provider's models of the shipped catalogue."""
        known = self._listed.get(provider)
        if known is None:
            kind = self.kind_of(provider)
            found = self.catalogue.models(kind, self._day) if kind is not None else ()
            known = [self._entry(provider, model.id, model.id, self._override(model)) for model in found]
            self._listed[provider] = known
        return known

    def _entry(self, provider: str, name: str, provider_model: str, found: Found) -> Entry:
        limits = self._overrides.get(found.id, (None, None, LimitsTable()))[2]
        return Entry(
            name=name,
            provider=provider,
            provider_model=provider_model,
            price=found.price,
            context=found.context,
            output=found.output,
            enforced=limits.enforce,
            unpriced=found.unpriced,
            seconds=limits.seconds,
        )

    def _find(self, kind: str, model: str) -> Found | None:
        found = self.catalogue.find(kind, model, self._day)
        return None if found is None else self._override(found)

    def _override(self, found: Found) -> Found:
        if found.id not in self._overrides:
            return found
        price, lacks, limits = self._overrides[found.id]
        return Found(
            id=found.id,
            price=price or found.price,
            context=limits.context or found.context,
            output=limits.output or found.output,
            unpriced=lacks if price else found.unpriced,
        )

    def _configured(self, name: str, table: ModelTable, problems: list[Problem]) -> Entry:
        provider_model = table.provider_model or name
        kind = self.kind_of(table.provider)
        known = self._find(kind, provider_model) if kind in self.catalogue.kinds and kind is not None else None
        price = _read(table.price, table.free, f"models.{name}", problems)
        unpriced = known.unpriced if known is not None and price is None else frozenset[str]()
        return Entry(
            name=name,
            provider=table.provider,
            provider_model=provider_model,
            price=price or (known.price if known else None),
            context=table.limits.context or (known.context if known else None),
            output=table.limits.output or (known.output if known else None),
            enforced=table.limits.enforce,
            capabilities=frozenset(table.capabilities) or None,
            fallbacks=table.fallbacks,
            balance=table.balance,
            weight=table.weight,
            rounds=1 + table.retries,
            patience=table.retry_wait,
            unpriced=unpriced if table.price is None else missing(table.price),
            seconds=table.limits.seconds,
            created=table.created,
        )


def _read(table: PriceTable | None, free: bool, key: str, problems: list[Problem]) -> Price | None:
    if table is not None and free:
        problems.append(Problem(key=f"{key}.free", message="a model with a price is not free; remove one of the two"))
    if table is None:
        return FREE if free else None
    try:
        return read_price(table, "config")
    except Invalid as error:
        problems.append(Problem(key=f"{key}.price", message=str(error)))
        return None


def _check_section(section: CatalogSection, catalogue: Catalogue) -> list[Problem]:
    problems = []
    for name, kind in section.providers.items():
        if kind and kind not in catalogue.kinds:
            close = difflib.get_close_matches(kind, catalogue.kinds, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; it knows {', '.join(sorted(catalogue.kinds))}"
            problems.append(
                Problem(key=f"catalog.providers.{name}", message=f"the catalogue has no provider {kind!r}{hint}")
            )
    return problems


def _check_tables(tables: Mapping[str, ModelTable]) -> list[Problem]:
    problems = []
    for name, table in tables.items():
        if table.limits.enforce and table.limits.output is None:
            problems.append(Problem(key=f"models.{name}.limits.enforce", message="needs limits.output, to enforce it"))
        if not name or not name.isprintable():
            problems.append(
                Problem(key=f"models.{name}", message="a model's name must not be empty or have control characters")
            )
        for capability in table.capabilities:
            if capability not in CAPABILITIES:
                message = f"{capability!r} is none of {', '.join(CAPABILITIES)}"
                problems.append(Problem(key=f"models.{name}.capabilities", message=message))
        for fallback in table.fallbacks:
            if fallback not in tables or fallback == name:
                close = difflib.get_close_matches(fallback, tables, n=1)
                hint = f"; did you mean {close[0]!r}?" if close and close[0] != name else ""
                message = f"{fallback!r} is no other model of [models]{hint}"
                problems.append(Problem(key=f"models.{name}.fallbacks", message=message))
    return problems
