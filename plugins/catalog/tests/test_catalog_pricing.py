"""Prices as they are written, and the shipped ones against the calculation of their source."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TimeOfDateConstraint
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl.api import Usage
from aexl.errors import Invalid
from aexl_catalog.prices import Catalogue, shipped
from aexl_catalog.pricing import PriceTable, read_price

PROVIDERS = {provider.id: provider for provider in get_snapshot().providers}
DAY = dt.date(2026, 11, 21)
NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def price(**table: Any) -> Any:
    return read_price(msgspec.convert(table, PriceTable), "test")


def test_a_class_without_a_rate_costs_what_it_would_be_otherwise() -> None:
    rates = price(input="1", output="2").rates
    assert (rates.cached_input, rates.cache_write, rates.cache_write_1h, rates.reasoning) == (
        1_000_000,
        1_000_000,
        1_000_000,
        2_000_000,
    )
    assert price(input="1", output="2", cache_write="3").rates.cache_write_1h == 3_000_000


def test_a_price_is_exact_to_the_sixth_decimal() -> None:
    assert price(input="0.0375", output="0.000001").rates.input == 37_500
    assert price(input="0.0375", output="0.000001").rates.output == 1


@pytest.mark.parametrize("wrong", ["-1", "1e3", "0.0000001", "NaN", "10001", " 1", "1,5"])
def test_another_number_is_refused_by_its_key(wrong: str) -> None:
    with pytest.raises(Invalid, match="output"):
        price(input="1", output=wrong)


def test_thresholds_must_rise() -> None:
    tier = {"above": 5, "input": "1", "output": "1"}
    with pytest.raises(Invalid, match="rise"):
        price(input="1", output="1", tiers=[tier, tier])


def test_equal_prices_have_equal_versions_and_others_do_not() -> None:
    assert price(input="1", output="2").version == price(input="1", output="2").version
    assert price(input="1", output="2").version != price(input="1", output="3").version


def test_a_service_tier_has_long_context_rates_of_its_own() -> None:
    found = price(
        input="1",
        output="1",
        tiers=[{"above": 10, "input": "2", "output": "2"}],
        service={"flex": {"input": "0.5", "output": "1", "tiers": [{"above": 10, "input": "0.7", "output": "1"}]}},
    )
    assert found.cost(Usage(input_tokens=10)) == 10_000
    assert found.cost(Usage(input_tokens=11)) == 22_000
    assert found.cost(Usage(input_tokens=10, tier="flex")) == 5_000
    assert found.cost(Usage(input_tokens=11, tier="flex")) == 7_700
    assert len(found.every_rates()) == 4


def by_day_alone(model: Any) -> bool:
    conditions = model.prices if isinstance(model.prices, list) else []
    return not any(isinstance(condition.constraint, TimeOfDateConstraint) for condition in conditions)


def exact(kind: str, id: str) -> bool:
    """Whether the source's own numbers have no float noise, which is rounded away here."""
    found = next(model for model in PROVIDERS[kind].models if model.id == id)
    values = vars(found.get_prices(NOON)).values()
    decimals = [value for value in values if isinstance(value, Decimal)]
    return all(value == value.quantize(Decimal("1e-6")) for value in decimals)


MODELS = [
    (kind, found.id)
    for kind in sorted(shipped().kinds)
    for found in shipped().models(kind, DAY)
    if by_day_alone(next(model for model in PROVIDERS[kind].models if model.id == found.id)) and exact(kind, found.id)
]

COUNT = st.integers(0, 2_000_000)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(MODELS), COUNT, COUNT, COUNT, COUNT, COUNT, st.sampled_from(["", "flex", "priority", "batch"]))
def test_our_cost_is_the_sources_to_the_nano_dollar(
    model: tuple[str, str], plain: int, cached: int, written: int, hour: int, output: int, tier: str
) -> None:
    kind, name = model
    found = shipped().find(kind, name, DAY)
    assert found is not None
    usage = Usage(
        input_tokens=plain,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=hour,
        output_tokens=output,
        tier=tier,
    )
    if "input" in found.unpriced:
        return
    if "output" in found.unpriced:
        usage, output = msgspec.structs.replace(usage, output_tokens=0), 0
    provider = PROVIDERS[kind]
    theirs = next(candidate for candidate in provider.models if candidate.id == name)
    context = {"processing": "batch"} if tier == "batch" else {"service_tier": tier} if tier else None
    calculated = theirs.calc_price(
        TheirUsage(
            input_tokens=usage.input_total,
            cache_read_tokens=cached,
            cache_write_tokens=written + hour,
            cache_write_1h_tokens=hour,
            output_tokens=output,
        ),
        provider,
        genai_request_timestamp=NOON,
        price_context=context,
    )
    assert found.price.cost(usage) == math.ceil(calculated.total_price * 10**9)


def test_there_are_many_models() -> None:
    assert len(MODELS) > 800


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("openai", "gpt-4o-2024-11-20", "gpt-4o"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("anthropic", "claude-sonnet-5-5-20261001", "claude-sonnet-5-5"),
        ("google", "gemini-flash-latest", "gemini-3.8-flash"),
        ("openai", "gpt-4o-unheard-of", None),
        ("openai", "claude-sonnet-5-5", None),
        ("openai", "gpt-image-1.5", "gpt-image-1.5"),
        ("openai", "omni-moderation-latest", "moderation"),
    ],
)
def test_a_name_is_found_by_its_clause(kind: str, name: str, expected: str | None) -> None:
    found = shipped().find(kind, name, DAY)
    assert (found and found.id) == expected


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MODELS))
def test_every_name_is_found_where_the_source_finds_it(model: tuple[str, str]) -> None:
    kind, name = model
    theirs = PROVIDERS[kind].find_model(name)
    assert theirs is not None
    assert theirs.id == name


def test_a_price_that_is_known_to_come_begins_on_its_day() -> None:
    before = shipped().find("google", "gemini-3.8-flash", dt.date(2026, 12, 31))
    after = shipped().find("google", "gemini-3.8-flash", dt.date(2027, 1, 1))
    assert before is not None
    assert after is not None
    assert after.price.rates.input == 2 * before.price.rates.input
    assert after.price.version != before.price.version


def test_the_dearest_hour_counts() -> None:
    found = shipped().find("deepseek", "deepseek-v4-flash", DAY)
    model = next(model for model in PROVIDERS["deepseek"].models if model.id == "deepseek-v4-flash")
    hours = [model.get_prices(dt.datetime(2026, 11, 21, hour, 30, tzinfo=dt.UTC)) for hour in range(24)]
    assert found is not None
    assert found.price.rates.output == max(hour.output_mtok for hour in hours) * 10**6


def test_tools_are_priced_by_the_use() -> None:
    found = shipped().find("openai", "gpt-4o", DAY)
    assert found is not None
    assert found.price.tool_uses == {"web_search": 10_000_000, "file_search": 2_500_000}


def test_other_modalities_have_rates_of_their_own() -> None:
    found = shipped().find("google", "gemini-2.5-flash", DAY)
    assert found is not None
    assert found.price.rates.parts == {"input_audio": 1_000_000, "cached_audio": 100_000}
    assert found.price.cost(Usage(input_tokens=1000, parts={"input_audio": 400})) == 600 * 300 + 400 * 1000


def test_what_has_no_rate_is_named() -> None:
    embedding, speech = shipped().find("openai", "text-embedding-3-small", DAY), shipped().find("openai", "tts-1", DAY)
    assert embedding is not None
    assert speech is not None
    assert (embedding.unpriced, speech.unpriced) == ({"output"}, {"input", "output"})


BY_PARTS = [
    (kind, name, medium)
    for kind, name in MODELS
    for medium in ("audio", "image", "video")
    if (found := shipped().find(kind, name, DAY)) is not None
    and f"input_{medium}" in found.price.rates.parts
    and "input" not in found.unpriced
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BY_PARTS), COUNT, COUNT, COUNT, COUNT)
def test_the_cost_of_pictures_and_sound_is_the_sources_to_the_nano_dollar(
    model: tuple[str, str, str], text: int, part: int, output: int, made: int
) -> None:
    kind, name, medium = model
    found = shipped().find(kind, name, DAY)
    assert found is not None
    parts = {f"input_{medium}": part}
    theirs: dict[str, int] = {"input_tokens": text + part, f"input_{medium}_tokens": part}
    if "output" not in found.unpriced:
        theirs["output_tokens"] = output + made
        if f"output_{medium}" in found.price.rates.parts:
            parts[f"output_{medium}"] = theirs[f"output_{medium}_tokens"] = made
    usage = Usage(input_tokens=text + part, output_tokens=theirs.get("output_tokens", 0), parts=parts)
    provider = PROVIDERS[kind]
    calculated = next(candidate for candidate in provider.models if candidate.id == name).calc_price(
        TheirUsage(**theirs), provider, genai_request_timestamp=NOON
    )
    assert found.price.cost(usage) == math.ceil(calculated.total_price * 10**9)


@given(st.sampled_from(["whisper-1", "gpt-transcribe", "gpt-live-transcribe"]), st.integers(0, 10**9))
def test_the_cost_of_an_hour_is_the_sources_to_the_nano_dollar(name: str, milliseconds: int) -> None:
    found = shipped().find("openai", name, DAY)
    model = next(model for model in PROVIDERS["openai"].models if model.id == name)
    hourly = model.get_prices(NOON).audio_hours
    assert found is not None
    exact = Fraction(milliseconds, 3_600_000) * Fraction(hourly)
    assert found.price.cost(Usage(units={"millisecond": milliseconds})) == math.ceil(exact * 10**9)


@given(st.sampled_from(["tts-1", "tts-1-hd"]), st.integers(0, 10**6))
def test_the_cost_of_a_character_is_the_sources_to_the_nano_dollar(name: str, characters: int) -> None:
    found = shipped().find("openai", name, DAY)
    model = next(model for model in PROVIDERS["openai"].models if model.id == name)
    assert found is not None
    exact = Fraction(model.get_prices(NOON).input_mchars) * characters / 10**6
    assert found.price.cost(Usage(units={"character": characters})) == math.ceil(exact * 10**9)


@pytest.mark.parametrize(
    ("table", "milliseconds", "nanos"),
    [
        ({"per_second": "0.0001"}, 1500, 150_000),
        ({"per_minute": "0.006"}, 60_000, 6_000_000),
        ({"per_hour": "0.36"}, 1, 100),
        ({"per_hour": "1"}, 1, 278),  # rounded up, once
    ],
)
def test_sound_is_priced_by_the_second_the_minute_or_the_hour(
    table: dict[str, str], milliseconds: int, nanos: int
) -> None:
    assert price(**table).cost(Usage(units={"millisecond": milliseconds})) == nanos


def test_sound_has_one_price() -> None:
    with pytest.raises(Invalid, match="per_second and per_hour"):
        price(per_second="1", per_hour="1")


@pytest.mark.parametrize(
    ("quality", "size", "unit"),
    [
        ("hd", "1024x1024", "image:hd:1024x1024"),
        ("standard", "512x512", "image:512x512"),
        ("low", "9x9", "image:low"),
        ("high", "9x9", "image"),
        (None, None, "image"),
    ],
)
def test_a_picture_is_paid_as_the_closest_of_its_kind(quality: str | None, size: str | None, unit: str) -> None:
    kinds = {"default": "0.04", "hd:1024x1024": "0.08", "512x512": "0.018", "low": "0.01"}
    assert price(per_image=kinds).image_unit(quality, size) == unit


def test_a_picture_of_no_known_kind_is_the_dearest() -> None:
    found = price(per_image={"low": "0.01", "hd:1024x1024": "0.08"})
    assert found.image_unit("auto", None) == "image:hd:1024x1024"
    assert price(input="1").image_unit("auto", None) is None
    assert price(per_image="0.02").cost(Usage(units={"image": 3})) == 60_000_000


def test_a_medium_from_a_cache_costs_what_text_from_there_does() -> None:
    assert price(input="1", cached_input="0.1", input_audio="4").rates.parts == {"input_audio": 4_000_000}
    assert price(input="1", input_audio="4").rates.parts["cached_audio"] == 4_000_000


def test_a_clause_of_the_future_is_not_misread() -> None:
    data = {
        "format": 1,
        "source": "x",
        "date": "2026-11-21",
        "providers": {
            "a": {"name": "A", "also": [], "models": [{"id": "m", "match": {"sounds_like": "x"}, "prices": []}]}
        },
    }
    with pytest.raises(ValueError, match="sounds_like"):
        Catalogue(msgspec.json.encode(data)).find("a", "m", DAY)


def test_the_file_says_where_it_comes_from_and_under_which_licence() -> None:
    import importlib.resources

    data = msgspec.json.decode(importlib.resources.files("aexl_catalog").joinpath("data/prices.json").read_bytes())
    assert data["source"].startswith("genai-prices ")
    assert dt.date.fromisoformat(data["date"])
    assert "MIT License" in data["notice"]
