"""Projects in folders, and the runner as a program."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aexl.api import Receipt
from aexl.testing.host import FakeConfig


class Ran(NamedTuple):
    """How the runner ended. ``answer`` is its one line."""

    status: int
    answer: dict[str, Any]
    stderr: str

    @property
    def error(self) -> dict[str, Any]:
        return self.answer["error"]

    @property
    def result(self) -> Any:
        assert self.answer["ok"], self.answer["error"]
        return self.answer["result"]

    @property
    def events(self) -> list[str]:
        return [record["event"] for record in self.answer["meta"]["logs"]]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [record["fields"] for record in self.answer["meta"]["logs"] if record["event"] == event]


class Project:
    """A project in a folder that any user can read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, **files: str) -> "Project":
        for name, text in files.items():
            path = self.root / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return self

    def run(
        self,
        request: Mapping[str, Any] | bytes | None = None,
        *flags: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Ran:
        data = request if isinstance(request, bytes) else b"" if request is None else json.dumps(request).encode()
        done = subprocess.run(
            [sys.executable, "-m", "aexl_runtime.runner", "--files-root", str(self.root), *flags],
            input=data,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.root.parent), **(env or {})},
            timeout=timeout,
            check=False,
        )
        lines = done.stdout.splitlines()
        assert len(lines) == 1, (done.stdout, done.stderr)
        return Ran(done.returncode, json.loads(lines[0]), done.stderr.decode())

    def invoke(self, handler: str, event: Mapping[str, Any] | None = None, **meta: Any) -> Ran:
        return self.run({"action": "invoke", "kind": "tool", "handler": handler, "event": event or {}, "meta": meta})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root)


@pytest.fixture
def tools(project: Project):
    """Return a function that makes a project of one entry point with the body of tools."""

    def make(body: str, **files: str) -> Project:
        head = "from aexl.sdk import tool, agent, flow, router, http, mcp_server, flow_graph\n"
        return project.write(entry_point=head + textwrap.dedent(body), **files)

    return make


class FakeJournal:
    """A ledger of foreign events, in memory."""

    def __init__(self):
        self.events = []

    async def append(self, kind, subject, data):
        self.events.append((kind, subject, dict(data)))
        return Receipt(seq=1, hash="00")

    async def read(self, after, limit):
        return []


@pytest.fixture
def journal():
    return FakeJournal()


class Tables(FakeConfig):
    """A configuration with tools."""

    def __init__(self, **tools):
        super().__init__()
        self.tools = tools

    def mapping(self, model):
        return self.tools


@pytest.fixture
def tables():
    """Return what makes a configuration with ``[tools.<name>]``."""
    return Tables
