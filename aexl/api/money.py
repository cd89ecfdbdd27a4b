"""Money without floats: nano-dollars, prices in pico-dollars per token, and the arithmetic of both.

A *price* is written as a decimal string of USD per million tokens with up to six
decimals. One micro-dollar per million tokens is one pico-dollar (1e-12 USD) per
token, so every such price is a whole number of picos: ``"0.0375"`` is 37,500.
A cost is summed in picos and rounded up once, to nano-dollars (1e-9 USD).

No amount, cap or price is above ``MAX_AMOUNT`` (2**53), so that every JSON
reader and SQLite can hold each of them exactly (reliability.md, L1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from aexl.errors import Invalid

NANOS: Final = 1_000_000_000
"""Nano-dollars in a dollar."""

PICOS: Final = 1_000
"""Pico-dollars in a nano-dollar."""

MAX_AMOUNT: Final = 2**53
"""The largest amount of nano-dollars, some nine million dollars."""

MAX_PRICE: Final = 10_000_000_000
"""The largest price in picos per token: 10,000 USD per million tokens, ten times the dearest one published."""

_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,12})?", re.ASCII)


def parse_decimal(text: object, decimals: int, what: str) -> int:
    """Return a plain decimal string as an integer of ``10**-decimals``.

    Args:
        text: Such as ``"0.0375"``; no sign, exponent, blank or separator.
        decimals: How many places count; a non-zero digit beyond them is an error.
        what: What the number is, for the message.

    Raises:
        Invalid: If ``text`` is not such a string; names the value.
    """
    if not isinstance(text, str) or _DECIMAL.fullmatch(text) is None:
        raise Invalid(f'{what} must be a plain decimal number such as "0.25", below ten billion, not {text!r}')
    whole, _, fraction = text.partition(".")
    if fraction[decimals:].strip("0"):
        raise Invalid(f"{what} has more than {decimals} decimals: {text!r}")
    return int(whole + fraction[:decimals].ljust(decimals, "0"))


def parse_usd(text: object, what: str = "amount") -> int:
    """Return nano-dollars for a decimal string of USD, as in ``"5"`` or ``"0.000000001"``.

    Raises:
        Invalid: If it is not a plain decimal, has more than nine decimals, or is above ``MAX_AMOUNT``.
    """
    amount = parse_decimal(text, 9, what)
    if amount > MAX_AMOUNT:
        raise Invalid(f"{what} must be at most {format_usd(MAX_AMOUNT)} USD, not {text!r}")
    return amount


def parse_price(text: object, what: str = "price") -> int:
    """Return picos per token for a decimal string of USD per million tokens.

    Raises:
        Invalid: If it is not a plain decimal, has more than six decimals, or is above ``MAX_PRICE``.
    """
    price = parse_decimal(text, 6, what)
    if price > MAX_PRICE:
        raise Invalid(f"{what} must be at most {MAX_PRICE // 10**6} USD per million tokens, not {text!r}")
    return price


def format_decimal(value: int, decimals: int, least: int) -> str:
    """Return ``value`` times ``10**-decimals`` with at least ``least`` decimals and no further trailing zeros.

    Args:
        decimals: Above 0.
    """
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).zfill(decimals + 1)
    fraction = digits[-decimals:].rstrip("0").ljust(least, "0")
    return f"{sign}{digits[:-decimals]}.{fraction}" if fraction else f"{sign}{digits[:-decimals]}"


def format_usd(nanos: int) -> str:
    """Return nano-dollars as a decimal string of USD, exact, with at least two decimals."""
    return format_decimal(nanos, 9, 2)


def format_price(picos: int) -> str:
    """Return picos per token as a decimal string of USD per million tokens, exact."""
    return format_decimal(picos, 6, 2)


def round_up(picos: int) -> int:
    """Return nano-dollars for pico-dollars, rounded up."""
    return -(-picos // PICOS)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a call consumed, in the one normal form of all dialects.

    The input classes do not overlap: ``input_tokens`` is what was neither read
    from nor written to a cache. ``reasoning_tokens`` is the part of
    ``output_tokens`` that was thought.

    Attributes:
        cache_write_tokens: Written for five minutes, or for as long as the provider decides.
        cache_write_1h_tokens: Written for an hour.
        tool_uses: Uses of server tools by name, such as ``web_search``.
        tier: The provider's service tier where it has a price of its own: ``batch``, ``flex``, ``priority``.
        parts: Tokens among those above that were no text, by the names of ``PARTS``.
        units: What is not counted in tokens: ``character``, ``millisecond`` and the ``image`` units of a price.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    tool_uses: Mapping[str, int] = {}
    tier: str = ""
    parts: Mapping[str, int] = {}
    units: Mapping[str, int] = {}

    @property
    def input_total(self) -> int:
        """All input tokens, whatever their class."""
        return self.input_tokens + self.cached_input_tokens + self.cache_write_tokens + self.cache_write_1h_tokens


PARTS: Final = tuple(
    f"{kind}_{medium}" for kind in ("input", "cached", "output") for medium in ("audio", "image", "video")
)
"""Parts of input, of what was read from a cache and of output that can have rates of their own."""

HOUR: Final = 3_600_000
"""Milliseconds in an hour, which is what recorded sound has a price by."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Picos per token for each class of token; ``parts`` for those of ``PARTS`` that differ from their class."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    parts: Mapping[str, int] = {}

    @property
    def dearest_input(self) -> int:
        """The most one input token of text can cost."""
        return max(self.input, self.cached_input, self.cache_write, self.cache_write_1h)

    @property
    def dearest_output(self) -> int:
        """The most one output token can cost, whatever it is part of."""
        dearest = max(self.output, self.reasoning)
        if self.parts:
            dearest = max(dearest, *(rate for part, rate in self.parts.items() if part.startswith("output_")), 0)
        return dearest

    def surcharge(self, parts: Mapping[str, int]) -> int:
        """Return the picos by which ``parts`` cost more, or less, than their classes do."""
        picos = 0
        for part, count in parts.items():
            rate = self.parts.get(part)
            if rate is not None:
                picos += count * (rate - self._class_of(part))
        return picos

    def _class_of(self, part: str) -> int:
        if part.startswith("input_"):
            return self.input
        return self.cached_input if part.startswith("cached_") else self.output


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Rates for a whole call whose input is longer than ``above`` tokens."""

    above: int
    rates: Rates


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs at a provider, at one point in time.

    Attributes:
        version: Names these numbers in every settlement: source and hash.
        rates: For a call whose input is not above any tier's threshold.
        tiers: Long-context rates, by rising threshold.
        tool_uses: Nano-dollars for one use of a server tool, by its name.
        service: Whole tables for service tiers with prices of their own (``batch``, ``flex``, ``priority``).
        service_tiers: Long-context rates of those, by rising threshold.
        units: Picos for one of what is not counted in tokens: ``character``, ``hour`` (of sound) and
            ``image`` with its variants (see ``image_unit``).
    """

    version: str
    rates: Rates
    tiers: tuple[Tier, ...] = ()
    tool_uses: Mapping[str, int] = {}
    service: Mapping[str, Rates] = {}
    service_tiers: Mapping[str, tuple[Tier, ...]] = {}
    units: Mapping[str, int] = {}

    def rates_for(self, usage: Usage) -> Rates:
        """Return the rates of a call: its service tier's, else its length's."""
        rates, tiers = self.rates, self.tiers
        if usage.tier and usage.tier in self.service:
            rates, tiers = self.service[usage.tier], self.service_tiers.get(usage.tier, ())
        if tiers:
            length = usage.input_total
            for tier in tiers:
                if length > tier.above:
                    rates = tier.rates
        return rates

    def cost(self, usage: Usage) -> int:
        """Return what ``usage`` costs, in nano-dollars, rounded up once."""
        rates = self.rates_for(usage)
        picos = (
            usage.input_tokens * rates.input
            + usage.cached_input_tokens * rates.cached_input
            + usage.cache_write_tokens * rates.cache_write
            + usage.cache_write_1h_tokens * rates.cache_write_1h
            + (usage.output_tokens - usage.reasoning_tokens) * rates.output
            + usage.reasoning_tokens * rates.reasoning
        )
        if usage.parts:
            picos += rates.surcharge(usage.parts)
        if usage.units:
            picos += self.unit_cost(usage.units)
        nanos = round_up(picos)
        for tool, uses in usage.tool_uses.items():
            nanos += uses * self.tool_uses.get(tool, 0)
        return nanos

    def unit_cost(self, units: Mapping[str, int]) -> int:
        """Return the picos of what is not counted in tokens; ``millisecond`` is paid by the ``hour``."""
        picos = 0
        for unit, count in units.items():
            if unit == "millisecond":
                picos += -(-count * self.units.get("hour", 0) // HOUR)
            else:
                picos += count * self.units.get(unit, 0)
        return picos

    def image_unit(self, quality: object, size: object) -> str | None:
        """Return the unit that a picture is paid as: the closest that has a price, else the dearest; ``None`` without any.

        The closest of ``image:QUALITY:SIZE``, ``image:SIZE``, ``image:QUALITY`` and ``image``.
        """
        units = self.units
        for unit in (f"image:{quality}:{size}", f"image:{size}", f"image:{quality}", "image"):
            if unit in units:
                return unit
        return max((unit for unit in units if unit.startswith("image")), key=units.__getitem__, default=None)

    def every_rates(self) -> tuple[Rates, ...]:
        """Return all rates that a call may be billed at, for bounds."""
        long = (tier.rates for tiers in (self.tiers, *self.service_tiers.values()) for tier in tiers)
        return (self.rates, *self.service.values(), *long)
