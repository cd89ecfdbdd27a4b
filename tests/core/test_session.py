"""A command's session beside a running host: what it writes, the host has read."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest
import trio

from aexl.api import ConfigSection, Control, OffersStores, Service
from aexl.core.cli.config import app
from aexl.core.config.own import ServeSection
from aexl.core.control import ControlApp
from aexl.core.home import SOCKET_NAME
from aexl.core.host import LocalHost
from aexl.core.http.limits import ServerLimits
from aexl.core.http.server import Server
from aexl.core.http.unix import open_unix_listener
from aexl.core.plugins import Source
from aexl.core.session import CommandSession
from aexl.core.surroundings import Surroundings
from aexl.errors import ConfigError, Problem
from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.control import FakeControl
from aexl.testing.session import run_command

TEXT = '# Mine.\n[greeting]\nword = "hello"   # short\n'


class Greeting(msgspec.Struct, frozen=True):
    """``[greeting]``."""

    word: str = "hello"


class Follower(Plugin):
    """Follows ``[greeting]``; there is one word that it notices only while it runs."""

    def __init__(self):
        self.word = ""

    @hookimpl
    def aexl_config(self):
        return [
            ConfigSection(table="greeting", model=Greeting),
            ConfigSection(table="stone", model=Stone, restart=True),
        ]

    @hookimpl
    def aexl_services(self, host):
        return [Service(role=Follower, instance=self)]

    async def prepare(self, config):
        word = config.section(Greeting).word
        if word == "damn":
            raise ConfigError([Problem(key="greeting.word", message="is no greeting")])

        def swap():
            self.word = word

        return swap


class Stone(msgspec.Struct, frozen=True):
    """``[stone]``: read once."""

    weight: int = 1


class Controls(FakeControl):
    """Reloads a real host."""

    def __init__(self, host):
        super().__init__()
        self.reload = host.reload
        self.values = host.current.values

    async def status(self):
        return {"running": True, "roles": ["Control"]}


@pytest.fixture
def session(home):
    (home / "aexl.toml").write_text(TEXT)
    session = CommandSession(home)
    session.surroundings = surroundings(home, Follower())
    return session


def surroundings(home, plugin):
    return Surroundings(home, environ={}, sources=[Source("follower", "test", "1", plugin)])


@asynccontextmanager
async def serving(home):
    """Run a host and its control socket; yields the plugin that follows."""
    plugin = Follower()
    host = LocalHost(surroundings(home, plugin))
    host.play(Control, Controls(host))
    listener = await open_unix_listener(home / SOCKET_NAME)
    server = Server(ControlApp(host.services), limits=ServerLimits(), origins=None)
    async with host.running(), trio.open_nursery() as nursery:
        await nursery.start(server.run, [listener])
        yield plugin
        server.drain()


def say(word):
    def change(document):
        document["greeting"]["word"] = word

    return change


async def edit(session, word):
    return await trio.to_thread.run_sync(session.edit_config, say(word))


async def config_set(session, *arguments):
    return await trio.to_thread.run_sync(run_command, app, session, "set", *arguments)


async def test_a_running_server_has_the_change_when_the_edit_returns(session, home):
    async with serving(home) as plugin:
        assert await edit(session, "hi")
        assert plugin.word == "hi"
    assert (home / "aexl.toml").read_text() == TEXT.replace("hello", "hi")


async def test_what_the_server_refuses_is_taken_back_and_has_its_line(session, home):
    async with serving(home) as plugin:
        with pytest.raises(ConfigError, match=r"aexl\.toml:3: greeting\.word: is no greeting"):
            await edit(session, "damn")
        assert plugin.word == "hello"
    assert (home / "aexl.toml").read_text() == TEXT


async def test_what_cannot_be_loaded_does_not_reach_the_server(session, home):
    async with serving(home) as plugin:
        with pytest.raises(ConfigError, match=r"greeting\.word"):
            await edit(session, 5)
        assert plugin.word == "hello"
    assert (home / "aexl.toml").read_text() == TEXT


def test_without_a_server_the_file_is_changed_and_the_session_sees_it(session):
    assert session.config.section(Greeting).word == "hello"
    assert not session.edit_config(say("hi"))
    assert session.config.section(Greeting).word == "hi"


async def test_config_set_says_that_the_running_server_has_it(session, home):
    async with serving(home) as plugin:
        done = await config_set(session, "greeting.word", "hi")
        assert (done.code, done.err) == (0, "The running server has it.\n")
        assert plugin.word == "hi"


async def test_config_set_says_what_counts_from_the_next_start(session, home):
    async with serving(home):
        done = await config_set(session, "stone.weight", "2")
    assert done.code == 0
    assert "[stone] counts from the server's next start" in done.err


async def test_config_set_without_a_server_says_nothing(session):
    done = await config_set(session, "greeting.word", "hi")
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_config_set_below_a_value_is_a_sentence_and_changes_nothing(session, home):
    done = await config_set(session, "greeting.word.length", "5")
    assert (done.code, done.err) == (2, "greeting.word is a value, not a table, so there is no greeting.word.length\n")
    assert (home / "aexl.toml").read_text() == TEXT


@pytest.mark.slow
def test_a_command_may_have_a_host_more_than_once(tmp_path):
    session = CommandSession(tmp_path / "home")

    async def names(host):
        return sorted(host.runners())

    first = session.run(names)
    assert first
    assert session.run(names) == first


BROKEN = {
    "syntax": TEXT + "oops oops\n",
    "which plugins are on": TEXT + "[plugins]\noff = 5\n",
    "a value": TEXT + "[serve]\nport = -1\n",
}


async def served_config(host):
    """Return what a command's host has for the configuration, and that it reaches a role."""
    assert (await host.service(Control).status())["running"]
    return host.current


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
async def test_a_mistake_in_the_file_keeps_no_command_from_a_running_server(home, capsys, text):
    (home / "aexl.toml").write_text(TEXT)
    async with serving(home):
        (home / "aexl.toml").write_text(text)
        session = CommandSession(home)
        status = await trio.to_thread.run_sync(session.ask, Control, lambda control: control.status())
        assert status["running"]
        assert capsys.readouterr().err == ""  # nothing was read of the file
        current = await trio.to_thread.run_sync(session.run, served_config)
        assert current.section(ServeSection).port == 9000
        assert capsys.readouterr().err.count("the running server's counts here") == 1
        assert (await trio.to_thread.run_sync(session.section, "greeting", Greeting)).word == "hello"
        with pytest.raises(ConfigError):
            _ = session.config
        with pytest.raises(ConfigError):
            await edit(session, "hi")
    assert (home / "aexl.toml").read_text() == text


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_without_a_server_a_mistake_in_the_file_is_an_error(home, text):
    (home / "aexl.toml").write_text(text)
    session = CommandSession(home)
    with pytest.raises(ConfigError, match=r"aexl\.toml:\d"):
        session.run(served_config)


async def test_a_file_that_can_be_read_counts_beside_a_server(session, home):
    async with serving(home):
        (home / "aexl.toml").write_text(TEXT.replace("hello", "hi"))
        assert (await trio.to_thread.run_sync(session.section, "greeting", Greeting)).word == "hi"
        assert (await trio.to_thread.run_sync(session.run, served_config)).section(Greeting).word == "hi"


class Knob(msgspec.Struct, frozen=True, kw_only=True):
    turn: int = 1


def test_one_table_is_read_without_the_others(home, monkeypatch):
    monkeypatch.setattr("aexl.core.surroundings.Surroundings", lambda *_, **__: pytest.fail("plugins were loaded"))
    session = CommandSession(home)
    assert session.section("knob", Knob) == Knob()
    (home / "aexl.toml").write_text("[knob]\nturn = 2\n[other]\nunknown = true\n")
    assert session.section("knob", Knob).turn == 2
    monkeypatch.setenv("AEXL_KNOB_TURN", "3")
    assert session.section("knob", Knob).turn == 3
    monkeypatch.setenv("AEXL_KNOB_TURN", '"much"')
    with pytest.raises(ConfigError, match="knob"):
        session.section("knob", Knob)


class Shelves(Follower):
    @hookimpl
    def aexl_snapshot_stores(self, host):
        async def open_shelf(url):
            return f"{url} in {host.data_dir}"

        return {"shelf": open_shelf}


async def test_beside_a_server_stores_are_those_of_the_commands_own_plugins(home):
    session = CommandSession(home)
    session.surroundings = surroundings(home, Shelves())

    async def open_it(host):
        assert isinstance(host, OffersStores)
        return await host.stores()["shelf"]("shelf://one")

    async with serving(home):
        found = await trio.to_thread.run_sync(session.run, open_it)
    assert found == f"shelf://one in {home}"


def test_brackets_in_a_table_are_no_markup(session, capsys):
    session.table(["name", "text"], [["a [runner=x]", "[/closed] and [bold]"]])
    assert "a [runner=x]  [/closed] and [bold]" in capsys.readouterr().out
