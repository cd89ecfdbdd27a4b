"""The shipped catalogue: which models there are, what they cost and how long their texts may be.

``data/prices.json`` is made by ``build_prices.py`` and read when a configuration is prepared, never at import; a
provider's part of it is decoded when the provider is first asked for.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib.resources
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from aexl.api import Price
from aexl_catalog.pricing import PriceTable, missing, read_price

ALIASES: Final[Mapping[str, str]] = {"gemini": "google", "moonshot": "moonshotai", "xai": "x-ai"}
"""Other names that people give a provider."""

_Match = Callable[[str], bool]


class _DatedPrice(PriceTable, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    start: str = msgspec.field(default="", name="from")


class _ModelData(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    match: dict[str, object]
    prices: tuple[_DatedPrice, ...]
    context: int | None = None
    output: int | None = None
    unpriced: tuple[str, ...] = ()


class _ProviderData(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    also: tuple[str, ...]
    models: tuple[_ModelData, ...]


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    source: str
    date: str
    providers: dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model of the catalogue, on one day.

    Attributes:
        id: Its name in the catalogue; callers may use others that match.
        context: Tokens of input and output together, where the data has it.
        output: The most output tokens, where the data has it.
        unpriced: Kinds of input with a price that is not known, which calls must not have; ``input`` and ``output``
            where their tokens have none.
    """

    id: str
    price: Price
    context: int | None
    output: int | None
    unpriced: frozenset[str]


class _Provider:
    """A provider's models. The first that matches counts; most match by a whole name, which a dictionary finds."""

    def __init__(self, data: _ProviderData) -> None:
        self.also = data.also
        self.models = data.models
        self._exact: dict[str, int] = {}
        self._loose: list[tuple[int, _Match]] = []
        for index, model in enumerate(data.models):
            parts = model.match.get("or", [model.match])
            assert isinstance(parts, list)
            for part in parts:
                if "equals" in part:
                    self._exact.setdefault(part["equals"], index)
                else:
                    self._loose.append((index, _matcher(part)))

    def find(self, name: str) -> _ModelData | None:
        """Return the model that a name in lower case belongs to."""
        best = self._exact.get(name, len(self.models))
        for index, match in self._loose:
            if index >= best:
                break
            if match(name):
                return self.models[index]
        return self.models[best] if best < len(self.models) else None


class Catalogue:
    """The models of all providers; immutable but for what it has decoded.

    Args:
        data: A file made by ``build_prices.py``.
    """

    def __init__(self, data: bytes) -> None:
        file = msgspec.json.decode(data, type=_File)
        self.source = file.source
        self.date = file.date
        self._raw = file.providers
        self._providers: dict[str, _Provider] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """The providers' names in the catalogue."""
        return frozenset(self._raw)

    def kind_of(self, name: str) -> str | None:
        """Return the catalogue's name for a provider that the configuration calls ``name``."""
        kind = ALIASES.get(name, name)
        return kind if kind in self._raw else None

    def find(self, kind: str, model: str, day: dt.date) -> Found | None:
        """Return the model that a provider would take ``model`` for; ``None`` if there is none with a price."""
        name = model.lower()
        provider = self._provider(kind)
        for candidate in (provider, *(self._provider(other) for other in provider.also)):
            entry = candidate.find(name)
            if entry is not None:
                return self._found(entry, day)
        return None

    def models(self, kind: str, day: dt.date) -> Iterator[Found]:
        """Yield a provider's models that can be called by the name they have in the catalogue."""
        provider = self._provider(kind)
        for entry in provider.models:
            if provider.find(entry.id.lower()) is entry and not entry.id.startswith("ft:"):
                found = self._found(entry, day)
                if found is not None:
                    yield found

    def _provider(self, kind: str) -> _Provider:
        known = self._providers.get(kind)
        if known is None:
            known = self._providers[kind] = _Provider(msgspec.json.decode(self._raw[kind], type=_ProviderData))
        return known

    def _found(self, entry: _ModelData, day: dt.date) -> Found | None:
        today = day.isoformat()
        prices = [price for price in entry.prices if price.start <= today]
        if not prices:
            return None
        return Found(
            id=entry.id,
            price=_priced(prices[-1], self.source),
            context=entry.context,
            output=entry.output,
            unpriced=frozenset(entry.unpriced) | missing(prices[-1]),
        )


@functools.lru_cache(maxsize=4096)
def _priced_bytes(table: bytes, source: str) -> Price:
    return read_price(msgspec.json.decode(table, type=_DatedPrice), source)


def _priced(table: _DatedPrice, source: str) -> Price:
    return _priced_bytes(msgspec.json.encode(table), source)


def _matcher(clause: Mapping[str, object]) -> _Match:
    ((word, operand),) = clause.items()
    if isinstance(operand, list):
        parts = [_matcher(part) for part in operand]
        if word == "and":
            return lambda text: all(part(text) for part in parts)
        return lambda text: any(part(text) for part in parts)
    wanted = str(operand)
    match word:
        case "equals":
            return wanted.__eq__
        case "starts_with":
            return lambda text: text.startswith(wanted)
        case "ends_with":
            return lambda text: text.endswith(wanted)
        case "contains":
            return lambda text: wanted in text
        case "regex":
            pattern = re.compile(wanted)
            return lambda text: pattern.search(text) is not None
        case _:
            raise ValueError(f"the catalogue has a clause {word!r} that this version does not know")


@functools.cache
def shipped() -> Catalogue:
    """Return the catalogue that ships with aexl."""
    return Catalogue(importlib.resources.files("aexl_catalog").joinpath("data/prices.json").read_bytes())
