"""Requests, recordings, and programs that behave like CLIs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aexl.api import Runner
from aexl.api.governed import Access
from aexl.api.runners import RunnerEvent, RunnerRequest
from aexl.testing.host import FakeHost
from aexl_pipelines.runners.table import runners

RECORDED = Path(__file__).parent / "recorded"

MakeRequest = Callable[..., RunnerRequest]


@dataclass(frozen=True)
class Recording:
    """One run of a real CLI: what it printed, and how it ended."""

    cli: str
    name: str
    stdout: bytes
    stderr: str
    exit: int

    @property
    def place(self) -> Path:
        return RECORDED / self.cli / self.name


def read_recording(cli: str, name: str) -> Recording:
    place = RECORDED / cli / name
    meta = json.loads(place.with_name(name + ".json").read_text())
    stdout = place.with_name(name + ".stdout").read_bytes()
    return Recording(cli, name, stdout, place.with_name(name + ".stderr").read_text(), meta["exit"])


@pytest.fixture(scope="session")
def recordings() -> dict[str, Recording]:
    """All of them, by ``cli/name``."""
    found = sorted(path for path in RECORDED.glob("*/*.stdout"))
    return {f"{path.parent.name}/{path.stem}": read_recording(path.parent.name, path.stem) for path in found}


@pytest.fixture(scope="session")
def table() -> dict[str, Runner]:
    """All runners, by name."""
    return {runner.name: runner for runner in runners()}


@pytest.fixture
def access() -> Access:
    return Access(url="http://127.0.0.1:9000", token="aexl_t1_secret", run="r1")


@pytest.fixture
def make_request(tmp_path: Path) -> MakeRequest:
    """Make a request whose home and working folder are the test's own."""

    def make(prompt: str = "Do it.", **changes: Any) -> RunnerRequest:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        given = {"home": tmp_path / "home", "cwd": work, "environ": {"PATH": "/usr/bin:/bin"}, **changes}
        return RunnerRequest(prompt=prompt, **given)

    return make


class Heard(list[RunnerEvent]):
    """What a runner told."""

    async def tell(self, event: RunnerEvent) -> None:
        self.append(event)


@pytest.fixture
def new_listener() -> Callable[[], Heard]:
    return Heard


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "aexl")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Write a Python program that stands for a CLI; return its path."""

    def write(source: str) -> str:
        path = tmp_path / "cli"
        path.write_text(f"#!{sys.executable} -S\nimport json, os, signal, sys, time\n{source}\n")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def machine():
    """The environment of a person's machine, keys and all."""
    return {
        "PATH": "/opt/bin:/usr/bin",
        "LC_ALL": "de_DE.UTF-8",
        "HOME": "/home/ann",
        "XDG_CONFIG_HOME": "/home/ann/.config",
        "EDITOR": "vi",
        "OPENAI_API_KEY": "sk-machine",
        "ANTHROPIC_API_KEY": "sk-machine",
        "GEMINI_API_KEY": "sk-machine",
        "GROQ_API_KEY": "sk-machine",
        "AWS_SECRET_ACCESS_KEY": "sk-machine",
        "MY_COMPANYS_TOKEN": "sk-machine",
    }
