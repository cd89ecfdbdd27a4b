"""The plugin in a host: off it is nothing, on it is nearest to the provider."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.provider import FakeProvider
from aexl_cassettes.player import Player
from aexl_cassettes.plugin import CassettesPlugin
from aexl_cassettes.recorder import Recorder

PROVIDERS = "[providers.fake]\ntype = 'fake'\n"


class FakePlugin(Plugin):
    name = "fake"

    @hookimpl
    def aexl_provider_types(self, host):
        return [self]

    def build(self, name, table):
        return FakeProvider(name=name)


class Outer:
    def __init__(self, provider):
        self.name, self.surfaces, self.inner = provider.name, provider.surfaces, provider

    def open(self, call, target):
        return self.inner.open(call, target)


class OuterPlugin(Plugin):
    @hookimpl
    def aexl_wrap_provider(self, host, provider):
        return Outer(provider)


@pytest.fixture
def host(make_host):
    def make(mode, **others):
        config = f"{PROVIDERS}[cassettes]\nmode = '{mode}'\n"
        return make_host({"a-outer": OuterPlugin, "cassettes": CassettesPlugin, "fake": FakePlugin, **others}, config)

    return make


@pytest.mark.parametrize(("mode", "kind"), [("record", Recorder), ("replay", Player), ("off", FakeProvider)])
async def test_it_is_nearest_to_the_provider(host, mode, kind):
    made = host(mode)
    async with made.running():
        outer = made.path.providers["fake"]
        assert isinstance(outer, Outer)
        assert isinstance(outer.inner, kind)


async def test_a_reload_does_not_turn_a_recording_server_into_a_replaying_one(host, home):
    made = host("record")
    async with made.running():
        for _ in range(2):
            (home / "aexl.toml").write_text(f"{PROVIDERS}[cassettes]\nmode = 'replay'\n")
            await made.reload()
            assert isinstance(made.path.providers["fake"].inner, Recorder)


async def test_its_numbers_are_shown_only_while_it_is_on(host):
    for mode, shown in (("off", False), ("record", True)):
        samples = [sample.name for collect in host(mode).collectors() for sample in collect()]
        assert ("aexl_cassette_recorded_total" in samples) is shown


async def test_a_recording_that_cannot_be_read_is_a_problem_of_health(host, home):
    (home / "cassettes").mkdir()
    (home / "cassettes" / "0123456789abcdef-001.jsonl").write_text("{}\n")
    made = host("replay")
    async with made.running():
        [check] = made.health_checks()
        assert "recordings that cannot be read: 1;" in await check.probe()
        assert not check.critical


@pytest.mark.slow
def test_while_it_is_off_nothing_of_it_is_imported(home):
    (home / "aexl.toml").write_text("")
    code = (
        "import sys, pathlib\n"
        "from aexl.core.host import LocalHost\n"
        "from aexl.core.surroundings import Surroundings\n"
        "LocalHost(Surroundings(pathlib.Path(sys.argv[1]), environ={}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('aexl_cassettes')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['aexl_cassettes', 'aexl_cassettes.config', 'aexl_cassettes.plugin']"
