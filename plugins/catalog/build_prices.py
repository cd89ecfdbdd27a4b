"""Build ``aexl_catalog/data/prices.json`` from the installed ``genai-prices`` package.

    python plugins/catalog/build_prices.py [--limits FILE] [--output FILE]

``--limits`` names LiteLLM's ``model_prices_and_context_window_backup.json`` (it is in its wheel): the
output limits come from there, because genai-prices has none. Nothing is downloaded.

What aexl cannot account for is left out: models without a price by the token, the character or the hour of sound,
and those with a fee per request. A model without a price for output tokens can be called where it makes none. Where
the price depends on the time of day, the dearest counts.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices, TimeOfDateConstraint

OUTPUT = Path(__file__).parent / "aexl_catalog" / "data" / "prices.json"

PROVIDERS = {
    # genai-prices' name: what LiteLLM puts before the model's name
    "anthropic": "",
    "avian": None,
    "azure": "azure/",
    "baseten": "baseten/",
    "cerebras": "cerebras/",
    "cohere": "",
    "deepseek": "deepseek/",
    "fireworks": "fireworks_ai/",
    "google": "gemini/",
    "groq": "groq/",
    "meta": "meta_llama/",
    "minimax": "minimax/",
    "mistral": "mistral/",
    "moonshotai": "moonshot/",
    "novita": "novita/",
    "openai": "",
    "openrouter": "openrouter/",
    "ovhcloud": "ovhcloud/",
    "perplexity": "perplexity/",
    "together": "together_ai/",
    "x-ai": "xai/",
    "zai": "zai/",
}
CLASSES = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    **{
        f"{source}_mtok": f"{kind}_{medium}"
        for medium in ("audio", "image", "video")
        for source, kind in (
            (f"input_{medium}", "input"),
            (f"cache_{medium}_read", "cached"),
            (f"output_{medium}", "output"),
        )
    },
}
UNITS = {"input_mchars": "per_million_characters", "audio_hours": "per_hour"}
REPEATED = {"input_audio_hours": "audio_hours"}
"""What says again what another says."""

FREE = {("openai", "moderation")}
IMAGE_OUTPUT = {"gpt-image-1": 8192, "gpt-image-1-mini": 8192, "gpt-image-1.5": 8192}
"""Tokens of one picture at most: OpenAI documents 6,240 for the largest, and 100 for each partial one."""

TOOLS = {"web_searches_kcount": "web_search", "storage_searches_kcount": "file_search"}
SERVICE = {
    "batch": {"processing": "batch"},
    "fast": {"service_tier": "fast", "speed": "fast"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
MODES = ("chat", "responses", "completion", "embedding", "audio_transcription", "image_generation")
LIMITS_SOURCE = "LiteLLM model_prices_and_context_window_backup.json, Copyright (c) 2023 Berri AI, MIT License"
SMALLEST = Decimal("0.000001")


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--limits", type=Path, help="LiteLLM's file of prices and limits")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    limits = json.loads(options.limits.read_text()) if options.limits else {}
    today = datetime.now(UTC).date()
    providers = {
        provider.id: build_provider(provider, limits, today)
        for provider in get_snapshot().providers
        if provider.id in PROVIDERS
    }
    notice = importlib.metadata.distribution("genai-prices").read_text("licenses/LICENSE")
    data = {
        "format": 1,
        "source": f"genai-prices {importlib.metadata.version('genai-prices')}",
        "limits_source": LIMITS_SOURCE if limits else "",
        "date": today.isoformat(),
        "notice": notice,
        "providers": providers,
    }
    lines = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    options.output.write_text(lines.replace('{"id":', '\n{"id":') + "\n", encoding="utf-8")


def build_provider(provider: Provider, limits: dict[str, Any], today: date) -> dict[str, Any]:
    """Return a provider's models, in the order in which they are tried."""
    outputs = read_limits(provider, limits)
    models = []
    for model in provider.models:
        free = (provider.id, model.id) in FREE
        prices = [{"input": "0", "output": "0"}] if free else list(build_prices(model, today))
        entry: dict[str, Any] = {"id": model.id, "match": clause(model.match)}
        if not prices:
            entry["prices"] = []  # it keeps its place, so that no later clause takes its names
        else:
            entry["prices"] = prices
            found = outputs.get(model.id, {})
            context = max(model.context_window or 0, found.get("context", 0))
            if context:
                entry["context"] = context
            output = found.get("output") or IMAGE_OUTPUT.get(model.id)
            if output:
                entry["output"] = output
        models.append(entry)
    return {"name": provider.name, "also": provider.fallback_model_providers or [], "models": models}


def read_limits(provider: Provider, limits: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return the limits of a provider's models; the largest where several names belong to one model."""
    prefix = PROVIDERS[provider.id]
    found: dict[str, dict[str, int]] = {}
    for name, entry in limits.items():
        if prefix is None or not name.startswith(prefix) or entry.get("mode") not in MODES:
            continue
        if prefix == "" and entry.get("litellm_provider") not in (provider.id, f"{provider.id}_chat"):
            continue
        model = provider.find_model(name.removeprefix(prefix))
        if model is None:
            continue
        known = found.setdefault(model.id, {})
        for key, source in (("output", "max_output_tokens"), ("context", "max_input_tokens")):
            value = entry.get(source)
            if isinstance(value, int) and value > 0:
                known[key] = max(known.get(key, 0), value)
    return found


def build_prices(model: ModelInfo, today: date) -> Iterator[dict[str, Any]]:
    """Yield today's price, then those that are known to come, each with its first day."""
    conditions = model.prices if isinstance(model.prices, list) else []
    starts = {
        condition.constraint.start_date
        for condition in conditions
        if isinstance(condition.constraint, StartDateConstraint) and condition.constraint.start_date > today
    }
    for day in (today, *sorted(starts)):
        price = build_price(model, day)
        if price is None:
            return
        yield price if day == today else {"from": day.isoformat(), **price}


def build_price(model: ModelInfo, day: date) -> dict[str, Any] | None:
    """Return the price of one day; ``None`` where it cannot be had by the token."""
    moments = list(times(model, day))
    prices = [standard(model, moment) for moment in moments]
    if not all(is_countable(price) for price in prices):
        return None
    built = combine(prices)
    for key, name in UNITS.items():
        values = [value for price in prices if (value := getattr(price, key)) is not None]
        if values:
            built[name] = decimal(max(values), SMALLEST)
    built["tools"] = {
        name: decimal(value / 1000, Decimal("1e-9"))
        for key, name in TOOLS.items()
        if isinstance(value := getattr(prices[0], key), Decimal)
    }
    service = {}
    for name, context in SERVICE.items():
        if any(applies(variant, name, context) for variant in model.price_variants or ()):
            service[name] = combine([model.get_prices(moment, context) for moment in moments])
    built["service"] = service
    return {key: value for key, value in built.items() if value}


def applies(variant: Any, name: str, context: dict[str, str]) -> bool:
    """Say whether a variant is one of a service tier."""
    return all(context.get(key) == value for key, value in variant.when.items()) and name in SERVICE


def at(day: date, hour: time = time(12)) -> datetime:
    """Return a moment of a day, in UTC."""
    return datetime.combine(day, hour, tzinfo=UTC)


def times(model: ModelInfo, day: date) -> Iterator[datetime]:
    """Yield moments of a day such that every price by the time of day is met."""
    yield at(day)
    for condition in model.prices if isinstance(model.prices, list) else ():
        if isinstance(condition.constraint, TimeOfDateConstraint):
            for edge in (condition.constraint.start_time, condition.constraint.end_time):
                moment = datetime.combine(day, edge.replace(tzinfo=UTC))
                yield moment
                yield moment - timedelta(minutes=1)


def standard(model: ModelInfo, moment: datetime) -> ModelPrice:
    """Return the ordinary price at a moment."""
    return model.get_prices(moment)


def is_countable(price: ModelPrice) -> bool:
    """Say whether something of it has a price, and nothing that we cannot count costs anything."""
    given = {key for key, value in vars(price).items() if value is not None}
    repeated = {key for key, other in REPEATED.items() if getattr(price, key) == getattr(price, other)}
    known = given & (CLASSES.keys() | TOOLS.keys() | UNITS.keys() | repeated)
    return given == known and bool(given & {"input_mtok", *UNITS})


def combine(prices: Iterable[ModelPrice]) -> dict[str, Any]:
    """Return the dearest of some prices, class by class, with their long-context tiers."""
    prices = list(prices)
    starts = sorted({start for price in prices for value in vars(price).values() for start in tier_starts(value)})
    built = dearest(prices, lambda value: value.base if isinstance(value, TieredPrices) else value)
    tiers = []
    for start in starts:
        rates = dearest(prices, lambda value, start=start: rate_above(value, start))
        tiers.append({"above": start, **rates})
    return {**built, "tiers": tiers} if tiers else built


def tier_starts(value: object) -> list[int]:
    """Return the thresholds of a price."""
    return [tier.start for tier in value.tiers] if isinstance(value, TieredPrices) else []


def rate_above(value: Decimal | TieredPrices, start: int) -> Decimal:
    """Return the rate of a call that is longer than a threshold."""
    if not isinstance(value, TieredPrices):
        return value
    return next((tier.price for tier in reversed(value.tiers) if start >= tier.start), value.base)


def dearest(prices: list[ModelPrice], pick: Callable[[Any], Decimal]) -> dict[str, str]:
    """Return the highest rate of each class that has one."""
    rates = {}
    for key, name in CLASSES.items():
        values = [pick(value) for price in prices if (value := getattr(price, key)) is not None]
        if values:
            rates[name] = decimal(max(values), SMALLEST)
    return rates


def decimal(value: Decimal, smallest: Decimal) -> str:
    """Return a plain decimal: float noise in the source removed, anything smaller than ``smallest`` rounded up."""
    exact = value.quantize(Decimal("1e-12"))
    return f"{exact.quantize(smallest, rounding=ROUND_CEILING).normalize():f}"


def clause(match: Any) -> dict[str, Any]:
    """Return a match clause as JSON: one word and its operand; operands that compare are in lower case."""
    (word, operand), *_ = vars(match).items()
    word = word.rstrip("_")
    if word in ("or", "and"):
        return {word: [clause(part) for part in operand]}
    return {word: operand if word == "regex" else operand.lower()}


if __name__ == "__main__":
    main()
