"""What the host asks of every plugin, whatever it offers: that it can be loaded, started and stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import trio

from aexl.core.host import LocalHost
from aexl.core.plugins import Source
from aexl.core.surroundings import Surroundings

STARTING_SECONDS = 5.0
"""A host with one plugin starts and stops well within this; longer means that a hook or a lifespan waits."""


class PluginConformance(ABC):
    """Promises of every plugin; derive a test class, and say how to make it.

    The plugin is given to a real host, alone, in an empty home: each hook is asked, and
    each answer checked, as at the start of ``aexl serve``.

    Attributes:
        config: The text of ``aexl.toml``, for a plugin that needs one.
    """

    config: str = ""

    @abstractmethod
    def make_plugin(self) -> object:
        """Return what the entry point names: an object with hooks, or its class."""

    def _host(self, home: Path) -> LocalHost:
        (home / "aexl.toml").write_text(self.config)
        source = Source("tested", "tests", "0", self.make_plugin())
        return LocalHost(Surroundings(home, environ={}, sources=[source]))

    def test_the_host_takes_every_answer(self, tmp_path: Path) -> None:
        record = self._host(tmp_path).plugins.records["tested"]
        assert record.reason is None

    def test_it_has_a_hook(self, tmp_path: Path) -> None:
        manager = self._host(tmp_path).plugins.manager
        assert manager.get_hookcallers(manager.get_plugin("tested"))

    async def test_the_host_starts_with_it_and_stops(self, tmp_path: Path) -> None:
        host = self._host(tmp_path)
        with trio.fail_after(STARTING_SECONDS):
            async with host.running():
                assert host.plugins.is_on("tested")

    async def test_a_reload_of_the_same_configuration_changes_nothing(self, tmp_path: Path) -> None:
        host = self._host(tmp_path)
        with trio.fail_after(STARTING_SECONDS):
            async with host.running():
                digest = host.current.digest
                assert await host.reload() == digest
