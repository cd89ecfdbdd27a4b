"""The role ``Handlers`` in memory, and the suite that every player of it passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aexl.api import BUILTIN, Handlers, Invocation, Invoked, RuntimeOffer, uuid7
from aexl.api.handlers import Heard
from aexl.errors import NotFound

Tool = Callable[[Mapping[str, Any]], Any]

PROJECT = '''"""What the suite's tests call."""

from aexl.sdk import mcp_server, tool


@tool("add")
def add(ctx, a: int, b: int = 1) -> dict:
    """Add two numbers."""
    ctx.log("adding")
    return {"sum": a + b}


@tool("break")
def break_it(ctx, payload):
    raise ValueError("broken")


mcp_server("numbers", tools=["add"])
'''
"""The entry point of the project that ``HandlersConformance`` runs."""


class FakeHandlers:
    """Runs functions by name, without a process around them.

    Args:
        tools: By name; a function gets the event. What it raises is the project's own error.

    Attributes:
        invoked: What it was asked to run.
        offers: The interpreters that it says it has.
        broken: Why projects cannot be loaded; by what they are named by.
        pages: HTTP handlers by ``METHOD /path``, without parameters; a function gets the request.
        servers: MCP servers with the names of their tools.
    """

    def __init__(self, tools: Mapping[str, Tool] | None = None) -> None:
        self.tools = dict(tools or {})
        self.invoked: list[Invocation] = []
        self.broken: dict[str, str] = {}
        self.pages: dict[str, Tool] = {}
        self.servers: dict[str, Sequence[str]] = {}
        self.offers: list[RuntimeOffer] = [
            RuntimeOffer(name=BUILTIN, python="3.11.2", sdk="1.0", runtime="1.0", distributions={"aexl": "1.0"})
        ]

    async def describe(
        self,
        project: str,
        repository: str | None = None,  # noqa: ARG002 - it runs what it was given, wherever that is
        runtime: str | None = None,  # noqa: ARG002 - likewise
    ) -> Mapping[str, object]:
        self._check(project)
        handlers = [
            {"kind": "tool", "name": name, "description": None, "input_schema": {"type": "object"}}
            for name in sorted(self.tools)
        ]
        pages = [page.partition(" ") for page in self.pages]
        return {
            "tools": sorted(self.tools),
            "http_handlers": [{"method": method, "path": path} for method, _, path in pages],
            "mcp_servers": [{"name": name, "tools": list(tools)} for name, tools in self.servers.items()],
            "handlers": handlers,
        }

    async def invoke(self, invocation: Invocation, *, heard: Heard | None = None) -> Invoked:
        self.invoked.append(invocation)
        self._check(invocation.project)
        run = invocation.id or uuid7()
        if invocation.action == "describe":
            broken = self.broken.get(invocation.project)
            if broken is not None:
                return _invoked(run, 500, 3, None, {"code": "INTERNAL", "message": broken})
            return _invoked(run, 200, 0, await self.describe(invocation.project), None)
        if heard is not None:
            heard(_started(run))
        name, event, tool = self._find(invocation)
        if tool is None:
            return _invoked(run, 404, 5, None, {"code": "NOT_FOUND", "message": f"Tool not found: {name}"})
        try:
            result = tool(event)
            status = result.get("http_status", 200) if isinstance(result, dict) else 200
            return _invoked(run, status, 0, result, None)
        except Exception as error:
            return _invoked(run, 500, 7, None, {"code": "USER_CODE_ERROR", "message": str(error)})

    async def runtimes(self) -> Sequence[RuntimeOffer]:
        return self.offers

    def _find(self, invocation: Invocation) -> tuple[str, Mapping[str, Any], Tool | None]:
        if invocation.http is not None:
            name = f"{invocation.http['method']} {invocation.http['path']}"
            return name, invocation.http, self.pages.get(name)
        if invocation.mcp is not None:
            name = invocation.mcp["tool"]
            return name, invocation.mcp["args"], self.tools.get(name)
        return invocation.handler or "", invocation.event, self.tools.get(invocation.handler or "")

    def _check(self, project: str) -> None:
        if not Path(project).is_dir() and len(project) != 64:
            raise NotFound(f"there is no folder {project}")


def _invoked(run: str, status: int, ending: int, result: object, error: Mapping[str, str] | None) -> Invoked:
    meta = {"request_id": run, "logs": [_started(run)]}
    answer = {"ok": error is None, "result": result, "error": error, "meta": meta}
    return Invoked(id=run, ok=error is None, status=status, exit=ending, result=result, answer=answer)


def _started(run: str) -> Mapping[str, object]:
    return {"event": "runner.start", "level": "INFO", "request_id": run, "fields": {}}


def fake_numbers() -> FakeHandlers:
    """Return a fake that passes the suite."""

    def broken(event: Mapping[str, Any]) -> object:
        raise ValueError(event.get("message", "broken"))

    return FakeHandlers({"add": lambda event: {"sum": event["a"] + event.get("b", 1)}, "break": broken})


class HandlersConformance:
    """Derive a class named ``Test…`` and give it a fixture ``handlers`` that returns who plays the role."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> str:
        """A folder with the entry point ``PROJECT``."""
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "entry_point.py").write_text(PROJECT)
        return str(folder)

    async def test_a_project_is_described(self, handlers: Handlers, project: str) -> None:
        described = await handlers.describe(project)
        assert described["tools"] == ["add", "break"]

    async def test_a_handler_is_run(self, handlers: Handlers, project: str) -> None:
        ran = await handlers.invoke(Invocation(project=project, kind="tool", handler="add", event={"a": 2}, id="mine"))
        assert (ran.ok, ran.status, ran.exit, ran.result, ran.id) == (True, 200, 0, {"sum": 3}, "mine")
        assert ran.answer["meta"]["request_id"] == "mine"

    async def test_a_listener_hears_the_log_of_its_run(self, handlers: Handlers, project: str) -> None:
        records: list[Mapping[str, object]] = []
        asked = Invocation(project=project, kind="tool", handler="add", event={"a": 2}, id="mine")
        ran = await handlers.invoke(asked, heard=records.append)
        assert records
        assert [each["event"] for each in records] == [each["event"] for each in ran.answer["meta"]["logs"]]
        assert all(each["request_id"] == "mine" for each in records)

    async def test_an_invocation_without_an_id_has_a_fresh_one(self, handlers: Handlers, project: str) -> None:
        asked = Invocation(project=project, kind="tool", handler="add", event={"a": 2})
        first, second = await handlers.invoke(asked), await handlers.invoke(asked)
        assert first.id != second.id

    async def test_what_a_handler_raises_is_in_the_answer(self, handlers: Handlers, project: str) -> None:
        ran = await handlers.invoke(Invocation(project=project, kind="tool", handler="break"))
        assert (ran.ok, ran.status, ran.exit, ran.result) == (False, 500, 7, None)
        assert (ran.answer["error"]["code"], ran.answer["error"]["message"]) == ("USER_CODE_ERROR", "broken")

    async def test_a_handler_that_is_not_there_is_in_the_answer(self, handlers: Handlers, project: str) -> None:
        ran = await handlers.invoke(Invocation(project=project, kind="tool", handler="ghost"))
        assert (ran.exit, ran.answer["error"]["message"]) == (5, "Tool not found: ghost")

    async def test_a_project_that_is_not_there_is_an_error(self, handlers: Handlers, tmp_path: Path) -> None:
        asked: tuple[Awaitable[object], ...] = (
            handlers.describe(str(tmp_path / "nothing")),
            handlers.invoke(Invocation(project=str(tmp_path / "nothing"), kind="tool", handler="add")),
        )
        for work in asked:
            with pytest.raises(NotFound):
                await work

    async def test_the_built_in_interpreter_is_the_first_that_is_offered(self, handlers: Handlers) -> None:
        offered = await handlers.runtimes()
        assert offered[0].name == BUILTIN
        assert offered[0].python.startswith("3.")
        assert "aexl" in offered[0].distributions
        assert len({each.name for each in offered}) == len(offered)
