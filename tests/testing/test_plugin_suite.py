"""The suite of every plugin passes for the echo, and names what is wrong with others."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import trio

from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.loading import PluginConformance
from aexl_echo.plugin import EchoPlugin


class TestTheEchoConforms(PluginConformance):
    config = '[providers.echo]\ntype = "echo"\n'

    def make_plugin(self) -> object:
        return EchoPlugin


class WrongAnswer(Plugin):
    @hookimpl
    def aexl_routes(self, host):
        return ["/status"]


class Slow(Plugin):
    @hookimpl
    def aexl_lifespan(self, host):
        @asynccontextmanager
        async def context():
            await trio.sleep_forever()
            yield

        return context()


class Suite(PluginConformance):
    def __init__(self, plugin: object) -> None:
        self.plugin = plugin

    def make_plugin(self) -> object:
        return self.plugin


def test_a_wrong_answer_is_named(tmp_path):
    with pytest.raises(AssertionError, match="str, not Mount"):
        Suite(WrongAnswer).test_the_host_takes_every_answer(tmp_path)


def test_a_plugin_without_hooks_is_found(tmp_path):
    with pytest.raises(AssertionError):
        Suite(Plugin).test_it_has_a_hook(tmp_path)


async def test_a_lifespan_that_does_not_begin_is_too_slow(tmp_path, autojump_clock):
    with pytest.raises(trio.TooSlowError):
        await Suite(Slow).test_the_host_starts_with_it_and_stops(tmp_path)


@pytest.mark.slow
def test_naming_the_pytest_plugin_twice_loads_it_once(pytester_process):
    ran = pytester_process("-p", "aexl.testing.plugin")
    assert "1 passed" in ran


@pytest.mark.slow
def test_without_autoload_naming_it_is_enough(pytester_process):
    ran = pytester_process("-p", "aexl.testing.plugin", autoload=False)
    assert "1 passed" in ran


@pytest.fixture
def pytester_process(tmp_path):
    (tmp_path / "test_host.py").write_text("def test_it(fake_host):\n    assert fake_host.data_dir.is_dir()\n")

    def run(*arguments: str, autoload: bool = True) -> str:
        env = os.environ | ({} if autoload else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *arguments],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.stdout + ran.stderr

    return run
