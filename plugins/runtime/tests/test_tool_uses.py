"""Uses of tools that are sold: what the ledger has of them."""

import hashlib

import msgspec
import pytest
import trio

from aexl.api import Journal
from aexl.testing.factories import make_call
from aexl.testing.host import FakeConfig, FakeHost
from aexl_runtime.service import HandlerService
from aexl_runtime.settings import RuntimeConfig, SandboxConfig, ToolTable, WorkersConfig
from aexl_runtime.tools.provider import ToolsType

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
asked = json.load(open(sys.argv[-2]))
if asked["fail"]:
    sys.exit("no")
json.dump({"done": True}, open(sys.argv[-1], "w"))
"""


@pytest.fixture
async def use(tmp_path, nursery, journal, tables):
    """Return a function that uses a tool, and returns its status and what it answered."""
    host = FakeHost(tmp_path, config=FakeConfig(WorkersConfig(), SandboxConfig(), RuntimeConfig()))
    host.services[Journal] = journal
    service = HandlerService(host)

    async def keep_running(task_status):
        async with service.running():
            task_status.started()
            await trio.sleep_forever()

    async def get_service():
        return service

    await nursery.start(keep_running)

    async def use(table, **arguments):
        provider = ToolsType(get_service).standing(tables(t=table))
        body = msgspec.json.encode({"tool_name": "t", "arguments": arguments})
        call = make_call(body, surface="tools", model="t", id="the-execution")
        [target] = provider.plan(call).targets
        async with provider.open(call, target) as answer:
            return answer.status, msgspec.json.decode(b"".join([chunk async for chunk in answer.chunks]))

    return use


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "tool.py").write_text(PROGRAM)
    sha256 = hashlib.sha256(PROGRAM.encode()).hexdigest()
    manifest = folder / "manifest.yaml"
    manifest.write_text(f"name: t\nversion: 1\nentrypoint: python3 tool.py\nsha256: {sha256}\n")
    return ToolTable(manifest=str(manifest)), sha256


@pytest.mark.parametrize(("fail", "status", "code"), [(False, 200, "ok"), (True, 400, "USER_CODE_ERROR")])
async def test_the_ledger_says_what_held_a_program(use, journal, program, fail, status, code):
    table, sha256 = program
    assert (await use(table, fail=fail))[0] == status
    [(kind, subject, data)] = journal.events
    assert (kind, subject, data["code"]) == ("runtime.run", "the-execution", code)
    assert (data["kind"], data["handler"], data["project"]) == ("program", "t", sha256)
    assert "network" in data["enforced"]


async def test_a_program_that_is_not_the_manifests_is_recorded_too(use, journal, program, tmp_path):
    (tmp_path / "program" / "tool.py").write_text("other")
    assert (await use(program[0]))[0] == 400
    [(_, _, data)] = journal.events
    assert (data["code"], data["enforced"]) == ("SECURITY_VIOLATION", "")


async def test_a_tool_of_a_project_is_recorded_under_its_execution(use, journal, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "entry_point.py").write_text(
        "from aexl.sdk import tool\n@tool('t')\ndef t(ctx, payload):\n    return 1\n"
    )
    assert (await use(ToolTable(snapshot=str(project))))[1]["result"] == 1
    [(_, subject, data)] = journal.events
    assert (subject, data["kind"]) == ("the-execution", "tool")
