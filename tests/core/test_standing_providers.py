"""Providers that no table makes, and calls that they plan themselves."""

import pytest

from aexl.api import Plan, Price, Rates, Target, Usage
from aexl.errors import Refused
from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.factories import make_call
from aexl.testing.provider import FakeProvider, FakeReply

PRICE = Price(version="test", rates=Rates(), tool_uses={"hammer": 5})


class Bench(FakeProvider):
    """Offers one tool."""

    surfaces = frozenset({"tools"})

    def plan(self, call):
        if call.model != "hammer":
            return None
        target = Target(provider=self.name, model="hammer", price=PRICE)
        return Plan(targets=(target,), input_bound=0, output_bound=0, output_floor=0, fixed=5, output_price=0, hold=5)


class BenchType:
    name = "bench"

    def __init__(self, there=True):
        self.there = there

    def build(self, name, table):
        return FakeProvider(name=name)

    def standing(self, config):
        return (
            Bench(FakeReply(chunks=(b"done",), usage=Usage(tool_uses={"hammer": 1})), name="bench")
            if self.there
            else None
        )


def plugin(**options):
    class BenchPlugin(Plugin):
        @hookimpl
        def aexl_provider_types(self, host):
            return [BenchType(**options)]

    return {"bench": BenchPlugin()}


async def test_a_tool_is_planned_by_who_offers_it_and_needs_no_catalogue(make_host):
    host = make_host(plugin())
    async with host.running(), host.call(make_call(surface="tools", model="hammer")) as answer:
        assert b"".join([chunk async for chunk in answer.chunks]) == b"done"


@pytest.mark.parametrize(("there", "model"), [(True, "saw"), (False, "hammer")])
async def test_a_tool_that_nobody_offers_is_refused(make_host, there, model):
    host = make_host(plugin(there=there))
    async with host.running():
        with pytest.raises(Refused, match=f"there is no tool '{model}'") as caught:
            async with host.call(make_call(surface="tools", model=model)):
                pytest.fail("it ran")
    assert (caught.value.code, caught.value.status) == ("tool_not_found", 404)


async def test_a_table_may_not_take_the_name(make_host):
    from aexl.errors import ConfigError

    host = make_host(plugin(), config='[providers.bench]\ntype = "bench"\n')
    with pytest.RaisesGroup(ConfigError, flatten_subgroups=True, allow_unwrapped=True):
        async with host.running():
            pytest.fail("it started")
