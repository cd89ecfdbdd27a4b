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
from aexl.errors import Invalid

FREE: Final = Price(version="free", rates=Rates())
"""The price of a model that the configuration says is free."""


class RatesTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """USD per million tokens; empty where a class has no rate of its own."""

    input: str
    output: str
    cached_input: str = ""
    cache_write: str = ""
    cache_write_1h: str = ""
    reasoning: str = ""


class TierTable(RatesTable, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rates of a whole call whose input is longer than ``above`` tokens."""

    above: int


class ServiceTable(RatesTable, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rates of a service tier."""

    tiers: tuple[TierTable, ...] = ()


class PriceTable(ServiceTable, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model costs: ordinary rates, long-context tiers, uses of server tools, service tiers."""

    tools: dict[str, str] = {}
    service: dict[str, ServiceTable] = {}


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
    )


def _rates(table: RatesTable, prefix: str) -> Rates:
    read = parse_price(table.input, f"{prefix}input")
    write = parse_price(table.cache_write, f"{prefix}cache_write") if table.cache_write else read
    out = parse_price(table.output, f"{prefix}output")
    return Rates(
        input=read,
        cached_input=parse_price(table.cached_input, f"{prefix}cached_input") if table.cached_input else read,
        cache_write=write,
        cache_write_1h=parse_price(table.cache_write_1h, f"{prefix}cache_write_1h") if table.cache_write_1h else write,
        output=out,
        reasoning=parse_price(table.reasoning, f"{prefix}reasoning") if table.reasoning else out,
    )


def _tiers(tables: tuple[TierTable, ...], key: str) -> tuple[Tier, ...]:
    last = 0
    for table in tables:
        if table.above <= last:
            raise Invalid(f"{key}: thresholds must rise, and {table.above} does not")
        last = table.above
    return tuple(Tier(above=table.above, rates=_rates(table, f"{key}.")) for table in tables)
