"""What the tests of cases share: files on disk, loading of texts, and a bench to try them on."""

from __future__ import annotations

import os
from textwrap import dedent

import pytest

from aexl.api import Snapshots
from aexl.testing.host import FakeHost
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.cases.loading import CaseLoader, Overrides
from aexl_pipelines.cases.running import Bench, run_trials
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.execution.ports import KnownAgents
from aexl_pipelines.language.loading import load_file
from aexl_pipelines.runners.table import runners

RUNNERS = {runner.name: runner for runner in runners()}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def loader(project, tmp_path):
    """Make a loader of case files; what it finds wrong is in its report."""
    files = DiskFiles(project, tmp_path / "nobody")
    return lambda: CaseLoader(
        files=files,
        find=lambda name, folder: folder / name,
        load=lambda path: load_file(path, files),
        runners=RUNNERS,
    )


@pytest.fixture
def write(project):
    """Write ``p.yaml`` and ``p.cases.yaml``, and return the path of the second."""

    def write_both(pipeline, cases):
        (project / "p.yaml").write_text(dedent(pipeline))
        path = project / "p.cases.yaml"
        path.write_text(dedent(cases))
        return path

    return write_both


@pytest.fixture
def problems(write, loader):
    """Return what is wrong with a case file, as ``line:column message; suggestion``."""

    def of(pipeline, cases):
        found = loader()
        found.trials(write(pipeline, cases))
        return [str(problem).removeprefix("p.cases.yaml:") for problem in found.report.problems]

    return of


@pytest.fixture
def host(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    made = FakeHost(data_dir=home)
    made.offered_runners = dict(RUNNERS)
    made.services[Snapshots] = FakeSnapshots()
    return made


@pytest.fixture
def attempt(write, loader, host, tmp_path):
    """Try the cases of two texts, and return the verdicts."""

    async def try_them(pipeline, cases, *, overrides=None, jobs=2, fail_fast=False, **bench):
        found = loader()
        trials = found.trials(write(pipeline, cases), overrides or Overrides())
        found.unwrap()
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **bench.pop("environ", {})}
        agents = bench.pop("agents", None) or KnownAgents(host.runners())
        shared = Bench(
            host=host,
            agents=agents,
            folder=tmp_path / "scratch",
            environ=environ,
            **bench,
        )
        return await run_trials(trials, shared, jobs=jobs, fail_fast=fail_fast)

    return try_them
