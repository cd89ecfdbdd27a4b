"""The host works without any plugin, without each one, and with a fake in the place of each one."""

from __future__ import annotations

import pytest
import trio

from aexl.api import Accounts, HealthCheck, Mount, Service
from aexl.core.host import LocalHost
from aexl.core.plugins import Source, installed_sources
from aexl.core.router import Router
from aexl.core.routes import own_mounts
from aexl.core.surroundings import Surroundings
from aexl.errors import AexlError, PluginError, Refused
from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.accounts import FakeAccounts
from aexl.testing.admission import FakeGate
from aexl.testing.book import FakeBook
from aexl.testing.dispatcher import FakeDispatcher
from aexl.testing.factories import make_call
from aexl.testing.provider import FakeProvider, FakeReply

BUILT_IN = [source for source in installed_sources() if source.origin == "aexl"]
NAMES = [source.name for source in BUILT_IN]

ECHO = """
[providers.echo]
type = "echo"

[models.echo]
provider = "echo"
provider_model = "echo"
price = { input = "1", output = "2" }
limits = { context = 1000, output = 100 }
"""


def start(home, *sources, config=""):
    (home / "aexl.toml").write_text(config)
    return LocalHost(Surroundings(home, environ={}, sources=sources))


async def get(host, path):
    """Ask the host's own routes, without a socket."""
    sent = []
    app = Router((*own_mounts(host, lambda: 0), *host.mounts()), host.service(Accounts))

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    await app({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def test_the_host_starts_and_serves_with_no_plugin(home):
    host = start(home)
    async with host.running():
        assert (await get(host, "/health"))[0] == 200
        assert (await get(host, "/ready"))[0] == 200
        assert b"aexl_calls_in_flight 0" in (await get(host, "/metrics"))[1]
        status, body = await get(host, "/v1/chat/completions")
        assert (status, b"there is nothing at" in body) == (404, True)
        with pytest.raises(Refused, match="enable the catalog"):
            async with host.call(make_call()):
                pytest.fail("nobody can run it")


@pytest.mark.parametrize("missing", NAMES)
async def test_the_host_starts_without_each_plugin(home, missing):
    host = start(home, *(source for source in BUILT_IN if source.name != missing))
    async with host.running():
        assert (await get(host, "/health"))[0] == 200
    assert [record.reason for record in host.plugins.records.values()] == [None] * (len(NAMES) - 1)


@pytest.mark.parametrize("missing", NAMES)
async def test_a_plugin_that_is_switched_off_is_as_if_it_were_not_there(home, missing):
    config = f"[plugins]\noff = ['{missing}']\n[{missing}-own]\nsome = 'table'\n"
    host = start(home, *BUILT_IN, config=config)
    async with host.running():
        assert not host.plugins.is_on(missing)


async def test_all_plugins_together_run_a_call(home):
    host = start(home, *BUILT_IN, config=ECHO)
    async with host.running():
        with pytest.raises(Refused) as caught:
            async with host.call(make_call({"model": "echo", "messages": []}, model="echo")):
                pytest.fail("alice has no account")
    assert caught.value.code != "admission_failed"


def fake(hook, value):
    """A plugin with one hook that answers with one value."""

    def answer(self, host):
        return value

    answer.__name__ = hook
    return type("Fake", (Plugin,), {hook: hookimpl(answer)})()


class FakeType:
    name = "echo"

    def __init__(self):
        self.built = []

    def build(self, name, table):
        self.built.append(name)  # other plugins may put something around what is built
        return FakeProvider(FakeReply(chunks=(b"fake",)), name=name)


FAKE_TYPE = FakeType()


async def healthy():
    return None


FAKES = {
    "ledger": ("aexl_settlement", FakeBook(), "settlement", lambda host: host.path.book.name == "fake"),
    "catalog": (
        "aexl_dispatcher",
        FakeDispatcher(),
        "dispatcher",
        lambda host: isinstance(host.path.dispatcher, FakeDispatcher),
    ),
    "policy": (
        "aexl_admission",
        FakeGate(name="policy"),
        "admission",
        lambda host: isinstance(host.path.gates[0], FakeGate),
    ),
    "echo": (
        "aexl_provider_types",
        [FAKE_TYPE],
        "provider_type",
        lambda host: FAKE_TYPE.built == ["echo"],
    ),
    "proxy": (
        "aexl_routes",
        [Mount(path="/v1", app=None, auth="none")],
        "route",
        lambda host: any(mount.path == "/v1" and mount.app is None for mount in host.mounts()),
    ),
}


@pytest.mark.parametrize("replaced", FAKES)
async def test_a_fake_takes_the_place_of_each_plugin_that_prefer_names(home, replaced):
    hook, value, kind, is_used = FAKES[replaced]
    config = f"{ECHO}\n[plugins]\nprefer = {{ {kind} = 'mine' }}\n"
    host = start(home, *BUILT_IN, Source("mine", "test", "1", fake(hook, value)), config=config)
    async with host.running():
        assert is_used(host)


async def test_a_fake_plays_a_role_in_the_place_of_the_ledger(home):
    accounts = FakeAccounts("alice")
    mine = fake("aexl_services", [Service(role=Accounts, instance=accounts)])
    config = "[plugins]\nprefer = { service = { Accounts = 'mine' } }\n"
    host = start(home, *BUILT_IN, Source("mine", "test", "1", mine), config=config)

    assert host.service(Accounts) is accounts


def test_a_name_that_is_taken_switches_the_newcomer_off_and_keeps_the_product(home):
    mine = fake("aexl_provider_types", [FakeType()])
    host = start(home, *BUILT_IN, Source("mine", "test", "1", mine))
    off = {name: record.reason for name, record in host.plugins.records.items() if record.reason}

    assert list(off) == ["mine"]
    assert "already comes from plugin 'echo'" in off["mine"]


def test_a_required_plugin_that_is_off_keeps_the_host_from_starting(home):
    broken = Source("broken", "test", "1", ImportError("no module named x"))
    with pytest.raises(PluginError, match="is required and off"):
        start(home, broken, config="[plugins]\nrequire = ['broken']\n")
    with pytest.raises(PluginError, match="not installed"):
        start(home, config="[plugins]\nrequire = ['absent']\n")


async def test_a_reload_happens_everywhere_or_nowhere(home):
    class Follows(FakeGate):
        seen = 0

        async def prepare(self, config):
            if "poison" in str(config.values):
                raise AexlError("cannot use this")

            def commit():
                self.seen += 1

            return commit

    gates = Follows(name="one"), Follows(name="two")
    sources = [Source(gate.name, "test", "1", fake("aexl_admission", gate)) for gate in gates]
    host = start(home, *sources)
    async with host.running():
        assert [gate.seen for gate in gates] == [1, 1]
        before = host.current
        (home / "aexl.toml").write_text("[serve]\nhosts = ['poison']\n")
        with pytest.raises(AexlError):
            await host.reload()
        assert (host.current, [gate.seen for gate in gates]) == (before, [1, 1])
        (home / "aexl.toml").write_text("[serve]\nport = 1\n")
        await host.reload()
        assert [gate.seen for gate in gates] == [2, 2]


async def test_a_health_check_that_hangs_makes_the_host_unready(home, autojump_clock):
    slow = HealthCheck(name="slow", probe=trio.sleep_forever, timeout=2)
    host = start(home, Source("slow", "test", "1", fake("aexl_health_checks", [slow])))
    async with host.running():
        status, body = await get(host, "/ready")
    assert status == 503
    assert b"gave no answer within 2 s" in body
