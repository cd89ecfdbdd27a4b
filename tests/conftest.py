"""Fixtures that tests of every part share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aexl.core.host import LocalHost
from aexl.core.plugins import Source
from aexl.core.surroundings import Surroundings

MakeHost = Callable[..., LocalHost]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home of its own."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def make_host(home: Path) -> MakeHost:
    """A host with the given plugin objects, by name, and a configuration text."""

    def make(plugins: dict[str, object] | None = None, config: str = "") -> LocalHost:
        (home / "aexl.toml").write_text(config)
        sources = [Source(name, "test", "1", plugin) for name, plugin in (plugins or {}).items()]
        return LocalHost(Surroundings(home, environ={}, sources=sources))

    return make
