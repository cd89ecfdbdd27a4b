"""A project, a home, and hooks in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, Finished, run_command
from aexl_pipelines.cli.app import app
from aexl_pipelines.runners.environment import WITHIN

PIPELINE = """\
version: "1"
defaults:
  tools: {allow: [Read, "Bash(git *)"], deny: ["Bash(git push*)"]}
pipeline:
  - id: tests
    context: {shell: "true"}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pipeline, the current one; the person's home is beside it."""
    work = tmp_path / "work"
    (work / ".git").mkdir(parents=True)
    (work / ".aexl.yaml").write_text(PIPELINE)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "CLAUDE_PROJECT_DIR", WITHIN):
        monkeypatch.delenv(name, raising=False)
    return work


@pytest.fixture
def session(tmp_path: Path, project: Path) -> FakeSession:
    home = tmp_path / "home"
    home.mkdir()
    return FakeSession(FakeHost(home))


class Hooks:
    """Runs ``aexl pipeline hook …``, and plays a CLI."""

    def __init__(self, session: FakeSession, project: Path) -> None:
        self._session = session
        self._project = project

    def __call__(self, *words: str) -> Finished:
        return run_command(app, self._session, "hook", *words)

    def tell(self, cli: str, event: str, *options: str, **said: Any) -> dict[str, Any]:
        """Fire an event, and return the answer."""
        data = {"session_id": "s1", "cwd": str(self._project), "hook_event_name": event, **said}
        result = CliRunner().invoke(
            app, ["hook", "run", event, "--for", cli, *options], obj=self._session, input=json.dumps(data)
        )
        assert result.exit_code == 0, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer


@pytest.fixture
def hooks(session: FakeSession, project: Path) -> Hooks:
    return Hooks(session, project)
