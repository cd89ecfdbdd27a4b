"""What the tests of the translation share: the kept calls, and a provider that speaks one dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from aexl.api import Usage
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.provider import FakeProvider
from aexl_translation.asked import Asked
from aexl_translation.names import Names
from aexl_translation.pivot import Tool
from aexl_translation.provider import TranslatingProvider
from aexl_translation.settings import TranslationSection

GOLDEN = Path(__file__).parent / "golden"
USAGE = Usage(input_tokens=100, cached_input_tokens=30, cache_write_tokens=7, output_tokens=20, reasoning_tokens=5)


class Case(NamedTuple):
    """One kept call."""

    folder: Path
    origin: str
    into: str
    model: str
    limit: int

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    @property
    def stream(self) -> bool:
        return (self.folder / "upstream.sse").exists()


def _case(folder: Path) -> Case:
    read = json.loads((folder / "case.json").read_text())
    return Case(folder, read["from"], read["into"], read["model"], read["limit"])


@pytest.fixture(params=sorted(GOLDEN.iterdir()), ids=lambda folder: folder.name)
def case(request: pytest.FixtureRequest) -> Case:
    return _case(request.param)


@pytest.fixture(
    params=sorted(folder.parent for folder in GOLDEN.glob("*/upstream.sse")), ids=lambda folder: folder.name
)
def stream_case(request: pytest.FixtureRequest) -> Case:
    return _case(request.param)


@pytest.fixture
def make_provider(tmp_path: Path) -> Callable[..., TranslatingProvider]:
    def make(inner: FakeProvider, **settings: object) -> TranslatingProvider:
        section = TranslationSection(**settings)  # type: ignore[arg-type]  # a test names what it is about
        return TranslatingProvider(inner, FakeHost(tmp_path, config=FakeConfig(section)))

    return make


@pytest.fixture
def usage() -> Usage:
    return USAGE


@pytest.fixture
def make_asked() -> Callable[..., Asked]:
    def make(tools: list[Tool] | None = None, *, custom: bool = True, wants_usage: bool = False) -> Asked:
        return Asked(
            id="1",
            model="m",
            now=1_700_000_000,
            wants_usage=wants_usage,
            names=Names(tools or [], custom=custom),
            usage=lambda: USAGE,
        )

    return make
