"""Tools of MCP servers, step types of plugins, lines of shell."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx
import pytest

from aexl.errors import ConfigError, Invalid
from aexl_pipelines.execution.programs import Kept

SERVER = f"{sys.executable} {Path(__file__).with_name('mcp_server.py')}"
STEP = """
pipeline:
  - id: a
    context: {mcp: {server: "%s", tool: %s, arguments: {q: "{{ inputs.word }}", n: [1, "{{ inputs.word }}"]}}}
    on_result: [{exit_code: any, action: abort_pipeline, message: "{{ step.a.stderr }}"}]
inputs: {word: {default: hey}}
"""


async def test_a_tool_of_a_program_is_called(workshop):
    result = await workshop.run(STEP % (SERVER, "search"), inputs={"word": "hey"})
    assert workshop.ended(result)["a"].stdout == 'search: {"q": "hey", "n": [1, "hey"]}'


@pytest.mark.parametrize(("tool", "code", "said"), [("broken", 4, "broken:"), ("missing", 1, "no such tool")])
async def test_a_tool_that_fails_has_an_exit_code_and_one_that_is_not_there_fails(workshop, tool, code, said):
    result = await workshop.run(STEP % (SERVER, tool), inputs={"word": "hey"})
    assert (result.exit_code, said in result.message) == (code, True)


async def test_a_server_that_ends_instead_of_answering_fails_the_step(workshop):
    result = await workshop.run(STEP % ("false", "search"), inputs={"word": "hey"})
    assert (result.exit_code, "ended with exit code 1" in result.message) == (1, True)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_behind_an_address_is_called_in_the_servers_session(workshop, streamed):
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        message = json.loads(request.content)
        seen.append((message["method"], request.headers.get("mcp-session-id")))
        if "id" not in message:
            return httpx.Response(202)
        result = {"content": [{"type": "text", "text": "found"}]} if message["method"] == "tools/call" else {}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        if streamed:
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=f": hi\n\ndata: {body}\n\n")
        return httpx.Response(200, headers={"mcp-session-id": "s1", "content-type": "application/json"}, text=body)

    workshop.host.upstream = httpx.MockTransport(answer)
    result = await workshop.run(STEP % ("http://127.0.0.1:1/mcp", "search"), inputs={"word": "hey"})
    assert workshop.ended(result)["a"].stdout == "found"
    session = None if streamed else "s1"
    assert seen == [("initialize", None), ("notifications/initialized", session), ("tools/call", session)]


class Doubler:
    """A step type that doubles a number."""

    name = "double"

    def parse(self, arguments):
        if set(arguments) != {"n"}:
            raise Invalid("double needs n")
        return self

    async def run(self, run):
        run.log(f"in {run.workspace.name}")
        return {"twice": int(run.inputs["n"]) * 2}


async def test_a_step_type_of_a_plugin_gets_values_and_gives_outputs(workshop):
    workshop.step_types = {"double": Doubler()}
    result = await workshop.run(
        """
        pipeline:
          - {id: a, use: double, with: {n: "{{ inputs.n }}"}}
          - {id: b, prompt: "{{ step.a.twice }}"}
        inputs: {n: {type: integer}}
        """,
        inputs={"n": 4},
    )
    assert workshop.ended(result)["b"].prompt == "8"
    assert workshop.ended(result)["a"].stderr == "in project"


@pytest.mark.parametrize("step", ["{id: a, use: double, with: {m: 1}}", "{id: a, use: nobody}"])
async def test_a_step_type_that_cannot_be_used_is_an_error_before_anything_runs(workshop, step):
    workshop.step_types = {"double": Doubler()}
    with pytest.raises((Invalid, ConfigError), match=r"double needs n|no step type"):
        await workshop.run(f"pipeline: [{{id: x, context: {{shell: 'touch ran'}}}}, {step}]")
    assert not (workshop.project / "ran").exists()


async def test_a_line_of_shell_never_runs_a_value(workshop):
    workshop.stub = {"answer": "'; touch hacked; echo '"}
    result = await workshop.run(
        """
        pipeline:
          - {id: a, prompt: x}
          - {id: b, context: {shell: "echo {{ step.a.response | quote }}"}}
        """
    )
    assert workshop.ended(result)["b"].stdout == "'; touch hacked; echo '"
    assert not (workshop.project / "hacked").exists()


async def test_a_program_that_says_nothing_is_ended(workshop):
    result = await workshop.run("pipeline: [{id: a, context: {shell: 'echo hi; sleep 60'}, idle_timeout: 0.3s}]")
    assert (result.exit_code, "said nothing" in result.message) == (6, True)


def test_of_a_long_output_the_begin_and_the_end_are_kept():
    kept = Kept(100)
    for number in range(100):
        kept.add(f"line {number}".encode())
    text = kept.text()
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 99")
    assert "bytes left out" in text
    assert len(text) < 200
    assert Kept(100).text() == ""
