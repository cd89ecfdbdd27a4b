"""What ``aexl models`` says of models, and what it finds wrong with them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aexl.api import Model, Price, Rates, format_price, format_usd
from aexl.api.money import format_decimal

COLUMNS: Final = ("model", "provider", ">input", ">output", ">context", ">max output", "price from")


def row(model: Model) -> Sequence[str]:
    """Return a model's line in the list; prices in USD per million tokens."""
    rates = model.price.rates if model.price is not None else None
    return (
        model.name,
        model.owner,
        "-" if rates is None else format_price(rates.input),
        "-" if rates is None else format_price(rates.output),
        _count(model.context),
        _count(model.output),
        model.price_version or "no price",
    )


def plain(model: Model) -> dict[str, object]:
    """Return a model for programs: prices as decimal strings of USD, per million tokens or per use."""
    return {
        "name": model.name,
        "provider": model.owner,
        "provider_model": model.provider_model,
        "surfaces": list(model.surfaces),
        "context": model.context,
        "output": model.output,
        "capabilities": list(model.capabilities),
        "health": model.health or None,
        "price": None if model.price is None else _price(model.price),
        "price_version": model.price_version or None,
    }


def lines(model: Model) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of one model, as names and values."""
    yield "model", model.name
    yield "provider", model.owner
    yield "provider's name", model.provider_model
    yield "surfaces", ", ".join(model.surfaces) or "none: the provider is not configured"
    if model.health:
        yield "health", model.health
    yield "context", _count(model.context)
    yield "max output", _count(model.output)
    if model.capabilities:
        yield "capabilities", ", ".join(model.capabilities)
    if model.price is None:
        yield "price", "none: calls are refused"
        return
    yield "price from", model.price_version
    yield from _rates(model.price.rates, "")
    for tier in model.price.tiers:
        yield from _rates(tier.rates, f"above {tier.above}: ")
    for name, rates in model.price.service.items():
        yield from _rates(rates, f"{name}: ")
        for tier in model.price.service_tiers.get(name, ()):
            yield from _rates(tier.rates, f"{name}, above {tier.above}: ")
    for name, nanos in model.price.tool_uses.items():
        yield name, f"{format_usd(nanos)} USD per use"
    for name, picos in model.price.units.items():
        yield name, f"{format_decimal(picos, 12, 2)} USD each"


def find_problems(
    models: Sequence[Model], tables: Mapping[str, object], has_key: Mapping[str, bool]
) -> list[tuple[str, str]]:
    """Return models' names and what is wrong with them.

    Args:
        models: What to check.
        tables: ``[providers.<name>]``, as the file has them.
        has_key: Whether each variable that the tables name is set.
    """
    problems = []
    for model in models:
        if not model.surfaces:
            problems.append((model.name, f"its provider {model.owner!r} is not configured"))
        if model.health and not model.health.startswith("answers"):
            problems.append((model.name, model.health))
        if model.price is None:
            problems.append((model.name, "it has no price, so calls are refused; give it one, or say free = true"))
        if model.output is None and model.context is None:
            problems.append((model.name, "it has no limits, so calls without an output limit are refused"))
        table = tables.get(model.owner)
        variable = table.get("api_key_env") if isinstance(table, Mapping) else None
        if isinstance(variable, str) and not has_key.get(variable, False):
            problems.append((model.name, f"the key {variable} of its provider {model.owner!r} is not set"))
    return problems


def key_variables(tables: Mapping[str, object]) -> set[str]:
    """Return the variables that providers' keys are in."""
    return {
        variable
        for table in tables.values()
        if isinstance(table, Mapping) and isinstance(variable := table.get("api_key_env"), str)
    }


def sets(text: str, variable: str) -> bool:
    """Say whether the text of a ``.env`` file gives a variable a value."""
    return re.search(rf"^\s*(?:export\s+)?{re.escape(variable)}\s*=\s*\S", text, re.MULTILINE) is not None


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else str(tokens)


def _rates(rates: Rates, prefix: str) -> Iterator[tuple[str, str]]:
    for name, picos in _classes(rates).items():
        yield f"{prefix}{name.replace('_', ' ')}", f"{format_price(picos)} USD per million tokens"


def _classes(rates: Rates) -> dict[str, int]:
    return {**{name: getattr(rates, name) for name in rates.__struct_fields__ if name != "parts"}, **rates.parts}


def _plain_rates(rates: Rates) -> dict[str, object]:
    return {name: format_price(picos) for name, picos in _classes(rates).items()}


def _price(price: Price) -> dict[str, object]:
    return {
        **_plain_rates(price.rates),
        "tiers": [{"above": tier.above, **_plain_rates(tier.rates)} for tier in price.tiers],
        "service": {
            name: {
                **_plain_rates(rates),
                "tiers": [
                    {"above": tier.above, **_plain_rates(tier.rates)} for tier in price.service_tiers.get(name, ())
                ],
            }
            for name, rates in price.service.items()
        },
        "tools": {name: format_usd(nanos) for name, nanos in price.tool_uses.items()},
        "units": {name: format_decimal(picos, 12, 2) for name, picos in price.units.items()},
    }
