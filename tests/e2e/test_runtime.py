"""Handlers of a project under the program as a stranger runs it: invoked, paid for, sold as tools, served to others."""

import json
import sys
import textwrap
from pathlib import Path

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from program import AEXL

from aexl.api import Snapshots
from aexl.core.control import ControlClient

pytestmark = pytest.mark.slow

PROJECT = """
    from aexl.sdk import Context, agent, http, mcp_server, tool

    @tool("slugify", description="Make a slug")
    def slugify(ctx, title: str) -> dict:
        print("working")
        return {"slug": "-".join(title.lower().split())}

    @tool("ask")
    def ask(ctx: Context, payload: dict) -> dict:
        answer = ctx.model(payload["model"], "Hi", max_tokens=50)
        return {"text": answer.text, "cost": answer.cost_usd, "execution": answer.execution}

    @tool("fail")
    def fail(ctx, payload):
        raise ValueError("not today")

    server = mcp_server("support", tools=["slugify", "fail", "ghost"])

    @server.tool("own")
    def own(ctx, payload):
        return "said " + payload["word"]
"""

TOOLS = """
[tools.slugify]
snapshot = "{root}"
price = "0.0005"

[tools.fail]
snapshot = "{root}"
price = "0.25"

[tools.dear]
snapshot = "{root}"
handler = "slugify"
price = "100"

[tools.count]
manifest = "{root}/tool/manifest.yaml"
"""

COUNTING = """
import json, sys
given = json.load(open(sys.argv[1]))
print("counting")
json.dump({"letters": len(given["word"])}, open(sys.argv[2], "w"))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "tool").mkdir(parents=True)
    (root / "entry_point.py").write_text(textwrap.dedent(PROJECT))
    (root / "tool" / "count.py").write_text(COUNTING)
    import hashlib

    digest = hashlib.sha256(COUNTING.encode()).hexdigest()
    (root / "tool" / "manifest.yaml").write_text(
        f"name: count\nversion: 1\nentrypoint: {sys.executable} count.py\nsha256: {digest}\ncost_micro: 700\nttl_ms: 20000\n"
    )
    return root


@pytest.fixture
def served(program, project):
    program.configure(TOOLS.format(root=project))
    program.start()
    return program


def invoke(program, project, handler, event, *options, status=0):
    words = ["--kind", "tool", "--handler", handler, "--event", json.dumps(event), *options]
    done = program.run("runtime", "invoke", str(project), *words, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_model_that_a_handler_asks_is_paid_by_its_agent_under_the_invocations_id(served, project):
    served.agent()
    answer = invoke(served, project, "ask", {"model": "gpt.plain"}, "--agent", "alice", "--request-id", "invocation-7")
    told = answer["result"]
    # 10 tokens at 1 USD and 20 at 2 USD per million.
    assert told == {"text": "The quick brown fox jumps.", "cost": "0.00005", "execution": told["execution"]}
    shown = served.json("ledger", "show", told["execution"])
    assert shown["agent"] == "alice"
    assert shown["labels"] == {"invocation": "invocation-7"}
    events = served.run("ledger", "tail").stdout
    assert "runtime.run" in events
    assert "invocation-7" in events
    assert "token.revoked" in events


def test_a_handler_hears_that_the_budget_is_spent(served, project):
    served.agent("alice", "0.000001")
    answer = invoke(served, project, "ask", {"model": "gpt.plain"}, "--agent", "alice", status=7)
    assert (answer["http_status"], answer["error"]["code"]) == (402, "USER_CODE_ERROR")
    assert answer["error"]["details"]["exception_type"] == "ModelRefused"


def test_a_snapshot_is_run_as_it_was_whatever_became_of_the_folder(served, project):
    snapshot = ControlClient(served.home).call(Snapshots, "capture", (str(project), "m"))
    (project / "entry_point.py").write_text("raise RuntimeError")
    for _ in range(2):
        answer = invoke(served, snapshot, "slugify", {"title": "A B"})
        assert answer["result"] == {"slug": "a-b"}
        assert answer["meta"]["snapshot_id"] == snapshot
    assert answer["meta"]["cold_start"] is False
    laid_out = served.home / "projects" / snapshot
    assert (laid_out / "entry_point.py").stat().st_mode & 0o777 == 0o444
    assert served.run("runtime", "invoke", "0" * 64, "--kind", "tool", "--handler", "x", check=False).returncode == 3


CALLING = """
pipeline:
  - id: ask
    use: call
    with: {{handler: {handler}, event: {{{event}}}, {more}}}
"""


def run_pipeline(program, folder, *options, call=("ask", "model: gpt.plain"), more="project: .", status=0):
    """Run one step of ``use: call``; return what the run says, its end last."""
    (folder / ".aexl.yaml").write_text(CALLING.format(handler=call[0], event=call[1], more=more))
    done = program.run("pipeline", "run", "--json", *options, check=False, cwd=folder)
    assert done.returncode == status, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_step_of_a_pipeline_asks_models_as_its_runs_agent(served, project):
    served.agent()
    *_, ended = run_pipeline(served, project, "--budget", "1")
    [execution] = served.json("ledger", "show")
    assert execution["agent"].startswith("alice:run-")
    shown = served.json("ledger", "show", execution["id"])
    assert (shown["labels"]["step"], shown["labels"]["run"]) == ("ask", ended["run"])
    assert shown["labels"]["invocation"]
    # 10 tokens at 1 USD and 20 at 2 USD per million.
    assert ended["booked_usd"] == 0.00005
    assert served.inspect()["spent"] == "0.00005"


def test_a_step_whose_run_has_spent_its_budget_is_denied(served, project):
    served.agent()
    *_, ended = run_pipeline(served, project, "--budget", "0.000001", status=7)
    assert "budget" in json.dumps(ended)
    assert served.json("ledger", "show")[0]["state"] == "denied"
    assert served.inspect()["spent"] == "0.00"


def test_a_step_of_a_governed_run_cannot_be_paid_by_whoever_it_names(served, project):
    for name in ("alice", "bob"):
        served.agent(name)
    lines = run_pipeline(served, project, "--agent", "alice", more="agent: bob", status=1)
    assert "its own agent pays for models, and not 'bob'" in json.dumps(lines)
    assert served.inspect("bob")["spent"] == "0.00"


@pytest.fixture
def kept(program, project):
    """The id of a snapshot that the project keeps itself; the files have changed since."""
    for words in (("init",), ("add", "."), ("commit", "-m", "one")):
        program.run("snapshot", *words, cwd=project)
    [made] = json.loads(program.run("snapshot", "log", "--json", cwd=project).stdout)
    (project / "entry_point.py").write_text("raise RuntimeError")
    return made["id"]


@pytest.mark.parametrize("server", [False, True])
def test_a_snapshot_that_a_project_keeps_itself_is_run_from_within_it(program, project, kept, server):
    if server:
        program.start()
    described = json.loads(program.run("runtime", "describe", kept, cwd=project / "tool").stdout)
    assert described["result"]["snapshot_id"] == kept
    words = ["runtime", "invoke", kept, "--kind", "tool", "--handler", "slugify", "--event", '{"title": "A B"}']
    invoked = json.loads(program.run(*words, cwd=project).stdout)
    assert (invoked["result"], invoked["meta"]["snapshot_id"]) == ({"slug": "a-b"}, kept)
    unknown = program.run("runtime", "describe", "0" * 64, cwd=project, check=False)
    assert unknown.returncode == 3
    message = json.loads(unknown.stdout)["error"]["message"]
    assert f"there is no snapshot {'0' * 64} of the project in {project}" in message


def test_a_step_calls_a_handler_of_a_snapshot_that_its_project_keeps(program, project, kept):
    lines = run_pipeline(program, project, call=("slugify", "title: A B"), more=f'project: "{kept}"')
    assert "a-b" in json.dumps(lines)


def test_the_official_client_calls_tools_of_a_snapshot_that_a_project_keeps(program, project, kept):
    import asyncio

    asyncio.run(serve_to_client(program, kept, cwd=project))


def test_a_run_without_a_server_needs_none(program, project):
    answer = invoke(program, project, "slugify", {"title": "A B"})
    assert answer["result"] == {"slug": "a-b"}
    assert not answer["meta"]["sandbox"]["off"]
    described = json.loads(program.run("runtime", "describe", str(project)).stdout)
    assert described["result"]["tools"] == ["ask", "fail", "slugify"]


def test_a_request_on_standard_input_is_taken_without_flags(program, project):
    import subprocess

    request = {"action": "invoke", "kind": "tool", "handler": "slugify", "event": {"title": "A B"}}
    done = subprocess.run(
        [AEXL, "runtime", "invoke", str(project)],
        input=json.dumps(request),
        env=program.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["result"] == {"slug": "a-b"}


def test_flags_with_an_open_standard_input_do_not_hang(program, project):
    import subprocess

    for command in (
        [AEXL, "runtime", "describe", project],
        [sys.executable, "-m", "aexl_runtime.runner", "--action", "describe"],
    ):
        with subprocess.Popen(
            command,
            env={**program.environ, "EP_FILES_ROOT": str(project)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ok"]
            assert process.wait(20) == 0


class Tools:
    """A client of ``/v1/tools/execute``."""

    def __init__(self, program, token):
        self.url = f"{program.url}/v1/tools/execute"
        self.headers = {"authorization": f"Bearer {token}"}

    def use(self, name, arguments=None, **more):
        body = {"tool_name": name, "arguments": arguments or {}, **more}
        return httpx.post(self.url, json=body, headers=self.headers, timeout=60)


def test_a_tool_costs_its_price_and_is_in_the_ledger(served):
    tools = Tools(served, served.agent())
    answer = tools.use("slugify", {"title": "A B"})
    assert answer.status_code == 200
    execution = answer.headers["x-aexl-execution-id"]
    assert answer.json() == {
        "execution_id": execution,
        "tool_name": "slugify",
        "result": {"slug": "a-b"},
        "stdout": "working\n",
        "stderr": "",
    }
    assert answer.headers["x-aexl-cost-usd"] == "0.0005"
    assert answer.headers["x-aexl-receipt"]
    assert served.json("ledger", "show", execution)["surface"] == "tools"
    assert served.inspect()["spent"] in ("0.0005", 500_000, "0.0005 USD")


def test_a_tool_that_fails_costs_nothing(served):
    tools = Tools(served, served.agent())
    answer = tools.use("fail")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "tool_failed")
    assert answer.json()["error"]["message"] == "Tool execution failed: not today"
    assert "0.25" not in str(served.inspect()["spent"])


def test_a_tools_answer_belongs_to_its_agent_alone(served):
    alice, bob = Tools(served, served.agent("alice")), Tools(served, served.agent("bob"))
    first = alice.use("slugify", {"title": "Secret Plan"}, execution_id="shared")
    again = alice.use("slugify", {"title": "Secret Plan"}, execution_id="shared")
    assert (first.json(), again.headers["x-aexl-replayed"]) == (again.json(), "true")
    other = bob.use("slugify", {"title": "x"}, execution_id="shared")
    assert other.json()["result"] == {"slug": "x"}
    assert "x-aexl-replayed" not in other.headers
    assert alice.use("slugify", {"title": "Other"}, execution_id="shared").status_code == 422


def test_a_tool_is_admitted_like_any_call(served):
    poor = Tools(served, served.agent("poor", "1"))
    assert poor.use("dear", {"title": "x"}).status_code == 402
    limited = Tools(served, served.agent("limited", "1", "--tool-names", "slug*", "--models", "gpt-*"))
    assert limited.use("slugify", {"title": "x"}).status_code == 200
    assert limited.use("fail").status_code == 403
    reader = Tools(served, "nothing")
    assert reader.use("slugify").status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "invalid_request"),
        ("[]", 400, "invalid_request"),
        ('{"arguments": {}}', 400, "invalid_request"),
        ('{"tool_name": ""}', 400, "invalid_request"),
        ('{"tool_name": "' + "x" * 129 + '"}', 400, "invalid_request"),
        ('{"tool_name": "ghost"}', 404, "tool_not_found"),
        ('{"tool_name": "slugify", "execution_id": "<img onerror=x>\\n"}', 400, "invalid_request"),
        ('{"tool_name": "slugify", "x": 1}', 400, "invalid_request"),
    ],
)
@pytest.mark.sampled(3)
def test_a_request_that_is_none_is_refused(served, body, status, code):
    tools = Tools(served, served.agent())
    answer = httpx.post(tools.url, content=body, headers=tools.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_tool_with_a_manifest_runs_its_program_and_only_that_one(served, project):
    tools = Tools(served, served.agent())
    answer = tools.use("count", {"word": "hello"})
    assert answer.json()["result"] == {"letters": 5}, answer.text
    assert answer.json()["stdout"] == "counting\n"
    assert answer.headers["x-aexl-cost-usd"] == "0.0007"
    (project / "tool" / "count.py").write_text("print('other')\n")
    changed = tools.use("count", {"word": "hello"})
    assert changed.status_code == 400
    assert "has changed" in changed.json()["error"]["message"]


async def serve_to_client(program, project, cwd=None):
    words = ["runtime", "mcp", str(project)]
    parameters = StdioServerParameters(command=str(AEXL), args=words, env=program.environ, cwd=cwd)
    async with Client(stdio_client(parameters)) as client:
        listed = await client.list_tools()
        assert sorted(tool.name for tool in listed.tools) == ["fail", "own", "slugify"]
        [slugify] = [tool for tool in listed.tools if tool.name == "slugify"]
        assert slugify.description == "Make a slug"
        called = await client.call_tool("slugify", {"title": "M C P"})
        assert called.structured_content == {"slug": "m-c-p"}
        own = await client.call_tool("own", {"word": "hi"})
        assert own.content[0].text == "said hi"
        failed = await client.call_tool("fail", {})
        assert failed.is_error
        assert "not today" in failed.content[0].text


def test_the_official_client_lists_and_calls_a_projects_tools(program, project):
    import asyncio

    asyncio.run(serve_to_client(program, project))
