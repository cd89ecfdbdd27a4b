"""The plugin's hooks, over a fake host."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aexl.api import Accounts, ConfigReloaded, Executions, Journal, NewAgent, Settlement
from aexl.testing.factories import make_call, make_outcome, make_plan
from aexl.testing.host import FakeConfig, FakeHost
from aexl_ledger.options import LedgerOptions
from aexl_ledger.plugin import LedgerPlugin


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path, config=FakeConfig(LedgerOptions(low_water=0)))


async def test_one_ledger_is_behind_all_hooks(host):
    plugin = LedgerPlugin()
    book = plugin.aexl_settlement(host)
    assert isinstance(book, Settlement)
    roles = {service.role: service.instance for service in plugin.aexl_services(host)}
    assert set(roles) == {Accounts, Executions, Journal}
    [collect] = plugin.aexl_metrics(host)
    [check] = plugin.aexl_health_checks(host)
    recorder, _ = plugin.aexl_subscribers(host)
    assert "not open" in (await check.probe() or "")
    async with plugin.aexl_lifespan(host):
        assert await check.probe() is None or "may be gone" in (await check.probe() or "")
        await roles[Accounts].create(NewAgent(name="alice", budget=2_000_000_000))
        hold = await book.reserve(make_call(), make_plan())
        await book.settle(hold, make_outcome(), None)
        await recorder.handle(ConfigReloaded(digest="abc"))
        kinds = [event["kind"] for event in await roles[Journal].read(0, 100)]
        assert kinds == ["agent.created", "execution.reserved", "execution.committed", "config.loaded"]
        samples = {(sample.name, sample.suffix, *sample.labels.values()): sample.value for sample in collect()}
        assert samples["aexl_agent_budget_usd", "", "alice"] == 2.0
        assert samples["aexl_agent_spent_usd", "", "alice"] == 0.00005
        assert samples["aexl_ledger_settlements_total", "", "committed", "usage"] == 1
        assert samples["aexl_ledger_commit_seconds", "_count"] >= 3
        assert (
            samples["aexl_ledger_commit_seconds", "_bucket", "+Inf"] == samples["aexl_ledger_commit_seconds", "_count"]
        )
        assert samples["aexl_ledger_queue", ""] == 0
    async with plugin.aexl_lifespan(host):
        pass


def test_the_plugin_declares_its_table_commands_and_routes(host):
    plugin = LedgerPlugin()
    [section] = plugin.aexl_config()
    assert (section.table, section.model, section.project) == ("ledger", LedgerOptions, False)
    commands = {command.name: command for command in plugin.aexl_commands()}
    assert set(commands) == {"agent", "ledger"}
    for command in commands.values():
        assert command.load().info.help
    assert {mount.path for mount in plugin.aexl_routes(host)} >= {"/api/v1/executions"}


def test_importing_the_plugin_imports_nothing_heavy():
    code = "import aexl_ledger.plugin, sys; print([m for m in ('apsw', 'trio', 'typer', 'httpx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
