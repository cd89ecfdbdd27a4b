"""Prices as they are written, in ``aexl.toml`` and in the shipped data alike, and what they become.

Rates are decimal strings of USD per million tokens, uses of tools decimal strings of USD. A class that is
not named costs what the class costs that it would be otherwise: cached input and cache writes what input
costs, an hour's cache write what a cache write costs, reasoning what output costs.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from aexl.api import Price, Rates, Tier, parse_price, parse_usd
from aexl.api.money import MAX_AMOUNT, PARTS, PICOS, parse_decimal
from aexl.errors import Invalid

FREE: Final = Price(version="free", rates=Rates())
"""The price of a model that the configuration says is free."""


class RatesTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """USD per million tokens; empty where a class has no rate of its own.

    Without a rate for ``input`` or ``output``, calls that need one are refused.
    """

    input: str = ""
    output: str = ""
    cached_input: str = ""
    cache_write: str = ""
    cache_write_1h: str = ""
    reasoning: str = ""
    input_audio: str = ""
    input_image: str = ""
    input_video: str = ""
    cached_audio: str = ""
    cached_image: str = ""
    cached_video: str = ""
    output_audio: str = ""
    output_image: str = ""
    output_video: str = ""


class TierTable(RatesTable, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rates of a whole call whose input is longer than ``above`` tokens."""

    above: int


class ServiceTable(RatesTable, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rates of a service tier."""

    tiers: tuple[TierTable, ...] = ()


class PriceTable(ServiceTable, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model costs: ordinary rates, long-context tiers, uses of server tools, service tiers, and units.

    Attributes:
        per_image: USD for a picture, or a table of them by ``QUALITY:SIZE``, ``SIZE``, ``QUALITY`` or ``default``.
        per_second: USD for a second of recorded sound; or ``per_minute``, or ``per_hour``.
        per_million_characters: USD for a million characters of text that is spoken.
    """

    tools: dict[str, str] = {}
    service: dict[str, ServiceTable] = {}
    per_image: str | dict[str, str] = ""
    per_second: str = ""
    per_minute: str = ""
    per_hour: str = ""
    per_million_characters: str = ""


_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def read_price(table: PriceTable, source: str) -> Price:
    """Return the price that a table says, named after its source and its numbers.

    Raises:
        Invalid: If a number is not a plain decimal or out of range, or thresholds do not rise; names the key.
    """
    digest = hashlib.sha256(_ENCODER.encode(table)).hexdigest()[:12]
    return Price(
        version=f"{source}:{digest}",
        rates=_rates(table, ""),
        tiers=_tiers(table.tiers, "tiers"),
        tool_uses={name: parse_usd(value, f"tools.{name}") for name, value in table.tools.items()},
        service={name: _rates(service, f"service.{name}.") for name, service in table.service.items()},
        service_tiers={
            name: _tiers(service.tiers, f"service.{name}.tiers")
            for name, service in table.service.items()
            if service.tiers
        },
        units=_units(table),
    )


def missing(table: PriceTable) -> frozenset[str]:
    """Return which of ``input`` and ``output`` have no rate."""
    return frozenset(name for name in ("input", "output") if not getattr(table, name))


_TIMES: Final = {"per_second": 3600, "per_minute": 60, "per_hour": 1}
"""How many of them an hour has."""


def _units(table: PriceTable) -> dict[str, int]:
    """Return picos by unit; see ``aexl.api.Price``."""
    units: dict[str, int] = {}
    images = {"default": table.per_image} if isinstance(table.per_image, str) else table.per_image
    for variant, value in images.items():
        if value or variant != "default":
            unit = "image" if variant == "default" else f"image:{variant}"
            units[unit] = parse_usd(value, f"per_image.{variant}") * PICOS
    given = [name for name in _TIMES if getattr(table, name)]
    if len(given) > 1:
        raise Invalid(f"{' and '.join(given)} are the same price; give one of them")
    for name in given:
        units["hour"] = parse_decimal(getattr(table, name), 12, name) * _TIMES[name]
    if table.per_million_characters:
        units["character"] = parse_price(table.per_million_characters, "per_million_characters")
    for unit, picos in units.items():
        if picos > MAX_AMOUNT:
            raise Invalid(f"the price of one {unit} is above {MAX_AMOUNT // 10**12} USD")
    return units


def _parts(table: RatesTable, prefix: str, read: int, cached: int) -> dict[str, int]:
    parts = {part: parse_price(value, f"{prefix}{part}") for part in PARTS if (value := getattr(table, part))}
    for medium in ("audio", "image", "video"):
        # What a medium costs from a cache is only its own price if text from there has none either.
        if f"input_{medium}" in parts and cached == read:
            parts.setdefault(f"cached_{medium}", parts[f"input_{medium}"])
    return parts


def _optional(value: str, what: str) -> int:
    return parse_price(value, what) if value else 0


def _rates(table: RatesTable, prefix: str) -> Rates:
    read = _optional(table.input, f"{prefix}input")
    write = parse_price(table.cache_write, f"{prefix}cache_write") if table.cache_write else read
    out = _optional(table.output, f"{prefix}output")
    cached = parse_price(table.cached_input, f"{prefix}cached_input") if table.cached_input else read
    return Rates(
        input=read,
        cached_input=cached,
        cache_write=write,
        cache_write_1h=parse_price(table.cache_write_1h, f"{prefix}cache_write_1h") if table.cache_write_1h else write,
        output=out,
        reasoning=parse_price(table.reasoning, f"{prefix}reasoning") if table.reasoning else out,
        parts=_parts(table, prefix, read, cached),
    )


def _tiers(tables: tuple[TierTable, ...], key: str) -> tuple[Tier, ...]:
    last = 0
    for table in tables:
        if table.above <= last:
            raise Invalid(f"{key}: thresholds must rise, and {table.above} does not")
        last = table.above
    return tuple(Tier(above=table.above, rates=_rates(table, f"{key}.")) for table in tables)
