"""A project, a home with runs, and the commands that look at them."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import pytest

from aexl.api import Snapshots
from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, run_command
from aexl_pipelines.journal.folders import make_folder
from aexl_pipelines.journal.records import Record, RunBegun, RunEnded, StepBegun, StepEnded
from aexl_pipelines.journal.writing import open_journal

RUN = "0199a3b2-1111-7000-8000-000000000001"


def make_begun(project: Path, run: str = RUN) -> RunBegun:
    return RunBegun(at=1.0, run=run, project=str(project), file=".aexl.yaml")


def make_step(address: str, before, after, status="completed") -> list[Record]:
    return [
        StepBegun(at=2.0, step=address, kind="prompt", before=before),
        StepEnded(at=3.0, step=address, kind="prompt", status=status, before=before, after=after),
    ]


def make_ended(before=None, after=None) -> RunEnded:
    return RunEnded(at=9.0, status="completed", exit_code=0, before=before, after=after)


@pytest.fixture
def project(tmp_path):
    made = tmp_path / "project"
    (made / "src").mkdir(parents=True)
    (made / "src" / "app.py").write_text("def run():\n    return 1\n")
    (made / "README").write_text("hello\n")
    (made / "logo.bin").write_bytes(b"\0\1\2")
    (made / "tool").write_text("#!/bin/sh\n")
    (made / "tool").chmod(0o755)
    return made


@pytest.fixture
def home(tmp_path):
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def service(home):
    """The role as the built-in plugin plays it, found as the host finds it."""
    [point] = entry_points(group="aexl.plugins", name="snapshots")
    [found] = [each for each in point.load()().aexl_services(FakeHost(data_dir=home)) if each.role is Snapshots]
    return found.instance


@pytest.fixture
def host(home, service):
    made = FakeHost(data_dir=home)
    made.services[Snapshots] = service
    return made


@pytest.fixture
def run(host, project, monkeypatch):
    """Run ``aexl pipeline ...`` in the project."""
    from aexl_pipelines.cli.app import app

    monkeypatch.chdir(project)
    session = FakeSession(host)
    return lambda *arguments: run_command(app, session, *arguments)


@pytest.fixture
def write_journal(home):
    """Write a run's journal, and return the run's folder."""

    async def write(records, run=RUN):
        folder = make_folder(home, run)
        journal = open_journal(folder, create=True)
        for record in records:
            await journal.append(record)
        journal.close()
        return folder

    return write


def read_contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file with its mode."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def make():
    """Records of a journal."""
    return SimpleNamespace(run=RUN, begun=make_begun, step=make_step, ended=make_ended)


@pytest.fixture
def contents():
    """Read a folder: every file with its mode."""
    return read_contents
