"""The plugin's own promises, and those of every plugin and every mount."""

import json

import msgspec
import pytest

from aexl.api import Accounts, Mount
from aexl.testing.accounts import FakeAccounts
from aexl.testing.factories import make_principal
from aexl.testing.host import FakeHost
from aexl.testing.loading import PluginConformance
from aexl.testing.mount import MountConformance, ask
from aexl_wallboard.page import write_page, write_rows
from aexl_wallboard.plugin import WallboardPlugin

CENT = 10_000_000


class TestItIsAPlugin(PluginConformance):
    def make_plugin(self) -> object:
        return WallboardPlugin


class TestItIsAMount(MountConformance):
    @pytest.fixture(autouse=True)
    def mounted(self, fake_host: FakeHost) -> None:
        self.host = fake_host

    def make_mount(self) -> Mount:
        return mount(self.host)


def mount(host: FakeHost) -> Mount:
    [made] = WallboardPlugin().aexl_routes(host)
    return made


@pytest.fixture
def host(fake_host: FakeHost) -> FakeHost:
    """A host with two agents."""
    fake_host.services[Accounts] = FakeAccounts("alice", "bob")
    return fake_host


async def test_an_admin_sees_every_agent(host: FakeHost) -> None:
    page = await ask(mount(host), principal=make_principal(scope="admin"))
    assert b"<td>alice</td>" in page.body
    assert b"<td>bob</td>" in page.body


async def test_anybody_else_sees_only_its_own(host: FakeHost) -> None:
    numbers = await ask(mount(host), "/wallboard/agents.json", principal=make_principal("bob", scope="read"))
    assert [row["agent"] for row in json.loads(numbers.body)] == ["bob"]


async def test_without_accounts_the_page_says_so(fake_host: FakeHost) -> None:
    assert b"No agents yet." in (await ask(mount(fake_host))).body


async def test_money_is_exact_and_names_are_escaped() -> None:
    agent = await FakeAccounts("alice").get("alice")
    odd = msgspec.structs.replace(agent, name="<b>", spent=5 * CENT + 1, budget=None)
    even = msgspec.structs.replace(agent, spent=0, budget=150 * CENT)
    assert [(row["spent_usd"], row["budget_usd"]) for row in write_rows([odd, even])] == [
        ("0.050000001", None),
        ("0.00", "1.50"),
    ]
    assert "<td>&lt;b&gt;</td>" in write_page([odd])
