"""The catalogue as the host sees it: which model a name means, where it goes, and what a reload changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from aexl.api import Dispatcher, Models, Provider, Reloadable, Surface
from aexl.errors import ConfigError, Refused
from aexl.testing.dispatcher import DispatcherConformance
from aexl.testing.factories import make_call
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.provider import FakeProvider
from aexl_catalog.catalog import Catalog
from aexl_catalog.plugin import CatalogPlugin
from aexl_catalog.settings import CatalogSection, ModelTable

OPENAI: frozenset[Surface] = frozenset({"chat", "responses", "count", "stored"})
ANTHROPIC: frozenset[Surface] = frozenset({"messages", "count"})
PRICE = {"input": "1", "output": "2"}


def providers(*names: str) -> dict[str, Provider]:
    return {name: FakeProvider(name=name, surfaces=ANTHROPIC if name == "anthropic" else OPENAI) for name in names}


def ask(model: str, **changes: Any) -> Any:
    return make_call({"model": model, "messages": []}, **{"model": model, "output_limit": 100, **changes})


class TestCatalog(DispatcherConformance):
    def make_dispatcher(self) -> Dispatcher:
        table = {"provider": "fake", "price": PRICE, "limits": {"context": 100_000, "output": 4_000}}
        config = FakeConfig(mappings={ModelTable: {"test-model": table}})

        async def prepared() -> Catalog:
            instance = Catalog()
            (await instance.prepare(config))()
            return instance

        return trio.run(prepared)


async def refusal(catalog: Catalog, call: Any, known: dict[str, Provider]) -> Refused:
    with pytest.raises(Refused) as caught:
        catalog.plan(call, known)
    return caught.value


async def test_a_configured_model_goes_to_its_provider_by_its_providers_name(
    make_catalog: Any, test_model: Any
) -> None:
    catalog = await make_catalog({"mine": {**test_model, "provider_model": "theirs"}})
    (target,) = catalog.plan(ask("mine"), providers("other", "fake")).targets
    assert (target.provider, target.model) == ("fake", "theirs")
    assert target.price.version.startswith("config:")


async def test_a_shipped_model_needs_no_configuration(make_catalog: Any) -> None:
    catalog = await make_catalog()
    (target,) = catalog.plan(ask("gpt-4o-2024-11-20"), providers("anthropic", "openai")).targets
    assert (target.provider, target.model) == ("openai", "gpt-4o-2024-11-20")
    assert target.price.version.startswith("genai-prices ")


async def test_shipped_models_can_be_switched_off(make_catalog: Any) -> None:
    catalog = await make_catalog(catalog={"auto": False})
    assert (await refusal(catalog, ask("gpt-4o"), providers("openai"))).code == "model_not_found"
    assert await catalog.list() == []


async def test_a_provider_of_another_name_has_the_prices_that_the_configuration_says(make_catalog: Any) -> None:
    catalog = await make_catalog(catalog={"providers": {"work": "openai", "openai": ""}})
    (target,) = catalog.plan(ask("gpt-4o"), providers("openai", "work")).targets
    assert target.provider == "work"


async def test_a_providers_name_before_a_slash_chooses_it(make_catalog: Any) -> None:
    catalog = await make_catalog()
    (target,) = catalog.plan(ask("openai/gpt-4o"), providers("openrouter", "openai")).targets
    assert (target.provider, target.model) == ("openai", "gpt-4o")
    (target,) = catalog.plan(ask("openai/gpt-4o"), providers("openrouter")).targets
    assert (target.provider, target.model) == ("openrouter", "openai/gpt-4o")


async def test_a_configured_name_wins_over_a_shipped_one(make_catalog: Any) -> None:
    catalog = await make_catalog({"gpt-4o": {"provider": "openai", "price": PRICE}})
    assert catalog.plan(ask("gpt-4o"), providers("openai")).targets[0].price.version.startswith("config:")


async def test_a_configured_model_without_a_price_has_the_shipped_one(make_catalog: Any) -> None:
    catalog = await make_catalog({"fast": {"provider": "openai", "provider_model": "gpt-4o-mini"}})
    plan = catalog.plan(ask("fast"), providers("openai"))
    assert plan.targets[0].price.rates.input == 150_000
    models = {model.name: model for model in await catalog.list()}
    assert models["fast"].context == 128_000


async def test_a_configured_limit_is_a_fact_and_not_sent_unless_it_is_enforced(
    make_catalog: Any, test_model: Any
) -> None:
    enforced = {**test_model, "limits": {"output": 4000, "enforce": True}}
    catalog = await make_catalog({"fact": test_model, "wish": enforced})
    fact, wish = (catalog.plan(ask(name, output_limit=None), providers("fake")) for name in ("fact", "wish"))
    assert (fact.output_bound, fact.targets[0].output_limit) == (4000, None)
    assert (wish.output_bound, wish.targets[0].output_limit) == (4000, 4000)


async def test_a_model_without_any_price_is_refused_unless_it_is_free(make_catalog: Any, test_model: Any) -> None:
    del test_model["price"]
    error = await refusal(await make_catalog({"m": test_model}), ask("m"), providers("fake"))
    assert (error.code, error.status) == ("model_without_price", 403)
    free = await make_catalog({"m": {**test_model, "free": True}})
    assert free.plan(ask("m"), providers("fake")).hold == 0


async def test_an_unknown_model_is_a_404_with_close_names(make_catalog: Any) -> None:
    error = await refusal(await make_catalog(), ask("gpt-4oo"), providers("openai"))
    assert (error.code, error.status, error.param) == ("model_not_found", 404, "model")
    assert "'gpt-4o'" in error.reason


async def test_a_very_long_name_is_refused_quickly_and_briefly(make_catalog: Any) -> None:
    error = await refusal(await make_catalog(), ask("x" * 100_000), providers("openai"))
    assert len(error.reason) < 1000


async def test_the_wrong_surface_names_the_right_one(make_catalog: Any) -> None:
    catalog = await make_catalog()
    error = await refusal(catalog, ask("claude-sonnet-5-5"), providers("anthropic"))
    assert (error.code, error.status) == ("wrong_surface", 400)
    assert "/v1/messages" in error.reason
    error = await refusal(catalog, ask("gpt-4o", surface="messages", path="/messages"), providers("openai"))
    assert "/v1/chat/completions or /v1/responses" in error.reason


async def test_counting_is_of_two_dialects_and_the_path_says_which(make_catalog: Any) -> None:
    catalog, known = await make_catalog(), providers("openai", "anthropic")
    count = ask("claude-sonnet-5-5", surface="count", path="/messages/count_tokens")
    assert catalog.plan(count, known).hold == 0
    wrong = ask("claude-sonnet-5-5", surface="count", path="/responses/input_tokens")
    assert (await refusal(catalog, wrong, known)).code == "wrong_surface"
    assert catalog.plan(ask("gpt-4o", surface="count", path="/responses/input_tokens"), known).hold == 0


async def test_a_model_is_taken_from_the_provider_that_speaks_the_surface(make_catalog: Any) -> None:
    catalog, known = await make_catalog(), providers("google", "anthropic")
    assert catalog.plan(ask("claude-sonnet-5-5"), known).targets[0].provider == "google"
    messages = ask("claude-sonnet-5-5", surface="messages", path="/messages")
    assert catalog.plan(messages, known).targets[0].provider == "anthropic"


async def test_a_provider_that_is_not_there_is_named(make_catalog: Any, test_model: Any) -> None:
    error = await refusal(await make_catalog({"m": test_model}), ask("m"), providers("openai"))
    assert (error.code, error.status) == ("provider_not_configured", 404)
    assert "'fake'" in error.reason


async def test_fallbacks_follow_in_order_where_they_speak_the_surface(make_catalog: Any, test_model: Any) -> None:
    catalog = await make_catalog(
        {
            "first": {**test_model, "fallbacks": ["claude", "second", "unpriced"]},
            "second": {**test_model, "provider": "other"},
            "claude": {**test_model, "provider": "anthropic"},
            "unpriced": {"provider": "other"},
        }
    )
    plan = catalog.plan(ask("first"), providers("fake", "other", "anthropic"))
    assert [target.provider for target in plan.targets] == ["fake", "other"]


async def test_an_override_changes_a_shipped_model(make_catalog: Any) -> None:
    override = {"gpt-4o": {"price": PRICE, "limits": {"output": 50, "enforce": True}}}
    catalog = await make_catalog(catalog={"overrides": override})
    plan = catalog.plan(ask("gpt-4o"), providers("openai"))
    assert plan.output_bound == 50
    assert plan.targets[0].output_limit == 50
    assert plan.targets[0].price.version.startswith("config:")


@pytest.mark.parametrize(
    ("models", "catalog", "key"),
    [
        ({"m": {"provider": "p", "price": {"input": "-1", "output": "1"}}}, {}, "models.m.price"),
        ({"m": {"provider": "p", "price": {"input": "1", "output": "NaN"}}}, {}, "models.m.price"),
        ({"m": {"provider": "p", "price": PRICE, "free": True}}, {}, "models.m.free"),
        ({"m": {"provider": "p", "fallbacks": ["n"]}}, {}, "models.m.fallbacks"),
        ({"m": {"provider": "p", "fallbacks": ["m"]}}, {}, "models.m.fallbacks"),
        ({"m": {"provider": "p", "capabilities": ["flying"]}}, {}, "models.m.capabilities"),
        ({"m": {"provider": "p", "limits": {"enforce": True}}}, {}, "models.m.limits.enforce"),
        ({}, {"providers": {"x": "opnai"}}, "catalog.providers.x"),
        ({}, {"overrides": {"gpt-4o": {"price": {"input": "x", "output": "1"}}}}, "catalog.overrides.gpt-4o.price"),
    ],
)
async def test_a_wrong_table_is_named_and_nothing_changes(models: Any, catalog: Any, key: str) -> None:
    instance = Catalog()
    with pytest.raises(ConfigError) as caught:
        await instance.prepare(FakeConfig(msgspec.convert(catalog, CatalogSection), mappings={ModelTable: models}))
    assert key in [problem.key for problem in caught.value.problems]
    assert instance.plan(ask("gpt-4o"), providers("openai")).hold > 0


async def test_a_reload_is_seen_when_it_is_swapped_in_and_not_before(make_catalog: Any, test_model: Any) -> None:
    catalog = await make_catalog({"m": test_model})
    before = catalog.plan(ask("m"), providers("fake"))
    dearer = {**test_model, "price": {"input": "1", "output": "20"}}
    swap = await catalog.prepare(FakeConfig(mappings={ModelTable: {"m": dearer}}))
    assert catalog.plan(ask("m"), providers("fake")) == before
    swap()
    assert catalog.plan(ask("m"), providers("fake")).output_price == 20_000_000
    assert before.output_price == 2_000_000


async def test_a_model_that_a_reload_removes_is_gone(make_catalog: Any, test_model: Any) -> None:
    catalog = await make_catalog({"m": test_model})
    (await catalog.prepare(FakeConfig()))()
    assert (await refusal(catalog, ask("m"), providers("fake"))).status == 404


async def test_prices_change_at_midnight_without_a_reload(make_catalog: Any) -> None:
    new_year = 1798761600.0
    clock = [new_year - 1]
    catalog = await make_catalog(
        {"mine": {"provider": "google", "provider_model": "gemini-3.8-flash"}}, now=lambda: clock[0]
    )
    known = providers("google")
    before = [catalog.plan(ask(name), known).output_price for name in ("gemini-3.8-flash", "mine")]
    clock[0] = new_year
    after = [catalog.plan(ask(name), known).output_price for name in ("gemini-3.8-flash", "mine")]
    assert after == [2 * price for price in before]


async def test_a_provider_that_comes_or_goes_is_noticed(make_catalog: Any) -> None:
    catalog = await make_catalog()
    assert catalog.plan(ask("gpt-4o"), providers("openai")).targets[0].provider == "openai"
    assert (await refusal(catalog, ask("gpt-4o"), providers("anthropic"))).status == 404
    assert catalog.plan(ask("gpt-4o"), providers("openai")).targets[0].provider == "openai"


async def test_models_are_listed_by_name_with_prices_and_surfaces(make_catalog: Any, test_model: Any) -> None:
    catalog = await make_catalog(
        {
            "a-model": {**test_model, "capabilities": ["tools"], "created": 7},
            "orphan": test_model | {"provider": "gone"},
        }
    )
    catalog.meet(providers("fake", "anthropic"))
    models = {model.name: model for model in await catalog.list()}
    assert list(models) == sorted(models)
    assert models["a-model"].surfaces == ("chat", "responses")
    assert models["a-model"].capabilities == ("tools",)
    assert models["a-model"].created == 7
    assert models["orphan"].surfaces == ()
    assert models["claude-sonnet-5-5"].owner == "anthropic"
    assert "gpt-4o" not in models


async def test_every_listed_model_can_be_planned(make_catalog: Any) -> None:
    catalog, known = await make_catalog(), providers("openai", "anthropic", "groq")
    catalog.meet(known)
    models = await catalog.list()
    assert len(models) > 50
    for model in models:
        surface = model.surfaces[0]
        call = ask(model.name, surface=surface, path="/messages" if surface == "messages" else "/chat/completions")
        try:
            assert catalog.plan(call, known).targets[0].provider == model.owner
        except Refused as error:
            # Models that search whenever they answer, and those that make no text.
            assert error.code in ("unpriced_tool", "unpriced_tokens")  # noqa: PT017


def test_the_plugin_offers_its_parts_without_importing_them(tmp_path: Path) -> None:
    plugin, host = CatalogPlugin(), FakeHost(tmp_path)
    dispatcher = plugin.aexl_dispatcher(host)
    (service,) = plugin.aexl_services(host)
    assert isinstance(dispatcher, Dispatcher)
    assert isinstance(dispatcher, Reloadable)
    assert isinstance(service.instance, Models)
    assert service.instance is dispatcher
    assert plugin.aexl_wrap_provider(host, FakeProvider(name="openai")) is None
    assert [section.table for section in plugin.aexl_config()] == ["models", "catalog"]
    assert not any(section.project for section in plugin.aexl_config())


def test_the_plugin_and_its_command_line_read_no_prices(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from aexl_catalog.plugin import CatalogPlugin; p = CatalogPlugin(); p.aexl_commands(); "
        "assert not {'typer', 'tomlkit', 'aexl_catalog.prices', 'aexl_catalog.commands'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0
