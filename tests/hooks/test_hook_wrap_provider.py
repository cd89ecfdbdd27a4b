"""The hook ``aexl_wrap_provider``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.provider import FakeProvider


class Fake(Plugin):
    @hookimpl
    def aexl_provider_types(self, host):
        return [self]

    name = "fake"

    def build(self, name, table):
        return FakeProvider(name=name)


async def test_hook_wrap_provider(example, make_host):
    text = "[providers.polly]\ntype = 'fake'\n[providers.other]\ntype = 'fake'\n"
    host = make_host({"fake": Fake, "counting": example["CountingPlugin"]}, text)
    async with host.running():
        assert isinstance(host.path.providers["polly"], example["Counting"])
        assert isinstance(host.path.providers["other"], FakeProvider)


async def test_the_next_plugin_wraps_what_the_one_before_returned(example, make_host):
    text = "[providers.polly]\ntype = 'fake'\n"
    plugins = {"fake": Fake, "counting": example["CountingPlugin"], "again": example["CountingPlugin"]}
    host = make_host(plugins, text)
    async with host.running():
        outer = host.path.providers["polly"]
        assert isinstance(outer, example["Counting"])
        assert isinstance(outer.provider, example["Counting"])
        assert isinstance(outer.provider.provider, FakeProvider)
