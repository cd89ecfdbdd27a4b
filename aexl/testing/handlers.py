"""The role ``Handlers`` in memory, and the suite that every player of it passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aexl.api import Handlers, Invocation, Invoked, uuid7
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
    """

    def __init__(self, tools: Mapping[str, Tool] | None = None) -> None:
        self.tools = dict(tools or {})
        self.invoked: list[Invocation] = []

    async def describe(self, project: str) -> Mapping[str, object]:
        self._check(project)
        handlers = [
            {"kind": "tool", "name": name, "description": None, "input_schema": {"type": "object"}}
            for name in sorted(self.tools)
        ]
        return {"tools": sorted(self.tools), "mcp_servers": [], "handlers": handlers}

    async def invoke(self, invocation: Invocation) -> Invoked:
        self.invoked.append(invocation)
        self._check(invocation.project)
        run = invocation.id or uuid7()
        name = invocation.handler or ""
        tool = self.tools.get(name)
        if tool is None:
            return _invoked(run, 404, 5, None, {"code": "NOT_FOUND", "message": f"Tool not found: {name}"})
        try:
            return _invoked(run, 200, 0, tool(invocation.event), None)
        except Exception as error:
            return _invoked(run, 500, 7, None, {"code": "USER_CODE_ERROR", "message": str(error)})

    def _check(self, project: str) -> None:
        if not Path(project).is_dir() and len(project) != 64:
            raise NotFound(f"there is no folder {project}")


def _invoked(run: str, status: int, ending: int, result: object, error: Mapping[str, str] | None) -> Invoked:
    answer = {"ok": error is None, "result": result, "error": error, "meta": {"request_id": run, "logs": []}}
    return Invoked(id=run, ok=error is None, status=status, exit=ending, result=result, answer=answer)


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
