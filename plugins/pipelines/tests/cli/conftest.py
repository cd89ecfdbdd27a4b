"""A project of a person's, and its commands."""

from __future__ import annotations

import pytest

from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, run_command
from aexl_pipelines.cli.app import app
from aexl_pipelines.runners.table import runners


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "project"
    (made / ".git").mkdir(parents=True)
    monkeypatch.chdir(made)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    return made


@pytest.fixture
def run(folder, tmp_path):
    (tmp_path / "home").mkdir()
    host = FakeHost(data_dir=tmp_path / "home")
    host.offered_runners = {runner.name: runner for runner in runners()}
    session = FakeSession(host)
    return lambda *arguments: run_command(app, session, *arguments)
