"""Roles over the control socket: the same methods, values and errors on both sides."""

from __future__ import annotations

import stat
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio

from aexl.api import Accounts, AgentChange, Control, Handlers, Invocation, Limits, NewAgent
from aexl.core.control import ControlApp, ControlClient, decode_error, encode_error
from aexl.core.home import SOCKET_NAME
from aexl.core.http.limits import ServerLimits
from aexl.core.http.server import Server
from aexl.core.http.unix import open_unix_listener
from aexl.errors import AexlError, ConfigError, Conflict, Invalid, NotFound, Problem, Refused, Unavailable
from aexl.testing.accounts import FakeAccounts
from aexl.testing.handlers import fake_numbers


@asynccontextmanager
async def served(home, services):
    listener = await open_unix_listener(home / SOCKET_NAME)
    server = Server(ControlApp(lambda: services), limits=ServerLimits(), origins=None)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run, [listener])
        yield ControlClient(home)
        server.drain()


async def test_records_go_over_and_come_back(home):
    accounts = FakeAccounts()
    async with served(home, {Accounts: accounts}) as client:
        remote = client.service(Accounts)
        made = await remote.create(NewAgent(name="a", budget=5, limits=Limits(models=("gpt-*",), rpm=3)))
        assert made == await accounts.get("a")
        assert await remote.list() == [made]


async def test_what_is_not_to_change_stays_unset(home):
    accounts = FakeAccounts("a")
    async with served(home, {Accounts: accounts}) as client:
        changed = await client.service(Accounts).update("a", change=AgentChange(budget=None))
        assert changed == await accounts.get("a")


async def test_named_arguments_work_like_positional_ones(home):
    async with served(home, {Accounts: FakeAccounts("a")}) as client:
        remote = client.service(Accounts)
        token = await remote.mint(agent="a", ttl=None, scope="read", labels={"run": "1"})
        assert token.startswith("aexl_")
        with pytest.raises(TypeError, match="takes agent, scope"):
            await remote.mint("a", colour="red")


async def test_what_is_left_out_has_its_default(home):
    handlers = fake_numbers()
    async with served(home, {Handlers: handlers}) as client:
        remote = client.service(Handlers)
        assert await remote.describe(str(home)) == await handlers.describe(str(home))
        assert await remote.describe("0" * 64, runtime="py312") == await handlers.describe("0" * 64)


async def test_a_keyword_only_parameter_stays_in_the_process(home):
    async with served(home, {Handlers: fake_numbers()}) as client:
        remote = client.service(Handlers)
        asked = Invocation(project=str(home), kind="tool", handler="add", event={"a": 1})
        assert (await remote.invoke(asked)).result == {"sum": 2}
        with pytest.raises(TypeError, match="takes invocation"):
            await remote.invoke(asked, heard=None)


async def test_an_error_arrives_as_the_error_it_was(home):
    async with served(home, {Accounts: FakeAccounts("a")}) as client:
        with pytest.raises(NotFound, match="nobody"):
            await client.service(Accounts).get("nobody")
        with pytest.raises(Conflict):
            await client.service(Accounts).create(NewAgent(name="a", budget=None))


@pytest.mark.parametrize(
    "error",
    [
        Refused("too much", code="insufficient_budget", status=402, retry_after=2.5, param="model"),
        ConfigError([Problem(key="a.b", message="is wrong", source="aexl.toml", line=3)]),
        Unavailable("locked"),
    ],
)
def test_errors_keep_their_data(error):
    again = decode_error(msgspec.json.decode(msgspec.json.encode(encode_error(error))))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_strange_error_keeps_its_name_in_the_sentence():
    again = decode_error(encode_error(ZeroDivisionError("division by zero")))

    assert type(again) is AexlError
    assert str(again) == "ZeroDivisionError: division by zero"


async def test_a_role_that_nobody_plays_is_a_sentence(home):
    async with served(home, {}) as client:
        with pytest.raises(Unavailable, match="nobody for 'Control'"):
            await client.service(Control).status()


def test_without_a_server_the_client_says_so(home):
    with pytest.raises(Unavailable, match="no server answers"):
        ControlClient(home).call(Control, "status")


def test_what_is_not_utf_8_is_named(home):
    with pytest.raises(Invalid, match=r"'caf\\udce9' is not UTF-8"):
        ControlClient(home).call(Accounts, "get", ("caf\udce9",))


async def test_the_socket_belongs_to_its_user_alone(home):
    async with served(home, {}):
        mode = stat.S_IMODE((home / SOCKET_NAME).stat().st_mode)
        assert mode == 0o600


async def test_a_home_with_a_long_path_works(home):
    deep = home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    async with served(deep, {Accounts: FakeAccounts("a")}) as client:
        assert len(await client.service(Accounts).list()) == 1


async def test_private_methods_cannot_be_called(home):
    async with served(home, {Accounts: FakeAccounts("a")}) as client:
        with pytest.raises(AttributeError):
            await trio.to_thread.run_sync(client.call, Accounts, "_one")
