"""Every example file of ail's, in its early and its current spellings, runs with the stub from another folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.execution.requests import RunRequest
from aexl_pipelines.execution.running import run_pipeline
from aexl_pipelines.journal.records import Choice, Gate, RunOptions, Verdict
from aexl_pipelines.language.inputs import bind_inputs
from aexl_pipelines.language.loading import load_file
from aexl_pipelines.language.skills import SkillFinder

FILES = Path(__file__).parents[1] / "language" / "files"
OWN = {"own/pinned.yaml", "wrong/twelve.yaml"}  # one needs the web, the other is wrong on purpose


class Agreeing:
    """Says yes to everything."""

    answerable = True

    async def ask(self, gate: Gate) -> Verdict:
        choice: Choice = "approve"
        return Verdict(choice=choice, by="test")


def examples() -> list[str]:
    found = sorted(str(path.relative_to(FILES)) for path in FILES.rglob("*.yaml"))
    return [name for name in found if name not in OWN and not name.startswith("own/")]


@pytest.mark.parametrize("name", examples())
async def test_an_example_runs_from_another_folder(workshop, name, tmp_path, monkeypatch):
    shutil.copytree(FILES, tmp_path / "files")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    # what the examples' models would say
    workshop.stub = {
        "answers": {"JSON list": '["one", "two"]', " left ": '{"category": "x"}', "ecurity": "{}", "of 3": "DONE"}
    }
    workshop.environ = {**workshop.environ, "TOKEN": "t0ken", "WHICH": "child"}
    (workshop.project / "Makefile").write_text("test:\n\t@true\n")
    path = tmp_path / "files" / name
    loaded = workshop.load(path)
    assert loaded.problems == ()
    inputs = bind_inputs(loaded.unwrap().inputs, {})
    result = await workshop.run(path, "do the work", inputs=inputs, options=RunOptions(runner="stub"), gates=Agreeing())
    assert (result.status, result.message) == ("completed", "")


class SomeStep:
    """What ``use: some-step`` means here."""

    name = "some-step"

    def parse(self, arguments):
        assert set(arguments) == {"n", "text", "list"}
        return self

    async def run(self, run):
        return dict(run.inputs)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_everything_that_aexl_adds_runs(workshop, tmp_path, dry_run):
    shutil.copytree(FILES, tmp_path / "files")
    server = f"{sys.executable} {Path(__file__).with_name('mcp_server.py')}"
    path = tmp_path / "files" / "own" / "additions.yaml"
    path.write_text(path.read_text().replace("npx server", server))
    skills = tmp_path / "files" / ".claude" / "skills"
    workshop.step_types = {"some-step": SomeStep()}
    workshop.stub = {"answers": {"Judge": '{"verdict": "fine", "score": 0.9, "findings": []}'}, "answer": "ok"}
    workshop.environ = {**workshop.environ, "GITHUB_TOKEN": "gh-secret"}
    loaded = load_file(path, DiskFiles(tmp_path, tmp_path), SkillFinder([skills]))
    inputs = bind_inputs(loaded.unwrap().inputs, {"level": "4"})
    request = RunRequest(
        project=workshop.project, prompt="go", inputs=inputs, options=RunOptions(runner="stub", dry_run=dry_run)
    )
    result = await run_pipeline(workshop.host, loaded, request, workshop.ports(gates=Agreeing()))
    assert result.status == "completed", result.message
    if not dry_run:
        assert result.outputs == {"verdict": "fine", "cost": 0.0}
        assert workshop.statuses(result)["extra"] == "completed"
