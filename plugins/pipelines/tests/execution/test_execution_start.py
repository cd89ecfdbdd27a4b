"""What a run is given before its first step: where its files come from, and that starting costs little."""

from __future__ import annotations

import subprocess
import sys

from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.execution.passthrough import load_passthrough
from aexl_pipelines.execution.requests import RunRequest
from aexl_pipelines.execution.running import run_pipeline
from aexl_pipelines.journal.records import RunOptions
from aexl_pipelines.language.loading import load_source
from aexl_pipelines.language.source import Source

TEXT = "pipeline: [{id: a, prompt: '{{ env.MISSING }}'}]"


def test_the_plugins_tables_are_declared_without_the_language():
    script = (
        "import sys; from aexl_pipelines.plugin import PipelinesPlugin; PipelinesPlugin().aexl_config();"
        "print(*[name for name in sys.modules if name.startswith(('aexl_pipelines.language', 'trio', 'ruamel'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_a_text_without_a_file_goes_on_from_what_the_run_has_kept(workshop):
    loaded = load_source(Source("(inline)", TEXT, workshop.project), DiskFiles(workshop.project, workshop.project))
    request = RunRequest(project=workshop.project, options=RunOptions(runner="stub"))
    result = await run_pipeline(workshop.host, loaded, request, workshop.ports())
    assert result.exit_code == 1
    workshop.environ = {**workshop.environ, "MISSING": "here"}
    again = await workshop.resume(result.run)
    assert (again.exit_code, workshop.ended(again)["a"].prompt) == (0, "here")


async def test_without_a_pipeline_the_prompt_is_passed_through_and_so_it_is_when_it_goes_on(workshop):
    workshop.stub = {"error": "provider"}
    request = RunRequest(project=workshop.project, prompt="hi", options=RunOptions(runner="stub"))
    result = await run_pipeline(workshop.host, load_passthrough(workshop.project), request, workshop.ports())
    assert result.exit_code == 1
    workshop.stub = {}
    assert (await workshop.resume(result.run)).response == "stub response"


async def test_prompts_and_called_files_may_be_gone_when_a_run_goes_on(workshop):
    workshop.write("ask {{ env.MISSING }}", "ask.md")
    workshop.write("pipeline: [{id: x, prompt: ./ask.md}]", "sub.yaml")
    result = await workshop.run("pipeline: [{id: a, prompt: x}, {id: b, pipeline: ./sub.yaml}]")
    assert result.exit_code == 1
    for path in workshop.project.iterdir():
        path.unlink()
    workshop.environ = {**workshop.environ, "MISSING": "now"}
    assert (await workshop.resume(result.run)).exit_code == 0
