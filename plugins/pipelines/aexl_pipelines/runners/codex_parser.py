"""What ``codex exec --json`` prints.

It says nothing of what its sandbox refuses: that stands on standard error alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.runners import (
    Denied,
    Retried,
    RunnerEvent,
    RunnerOutcome,
    RunnerRequest,
    Started,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Totals,
    Warned,
)
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import usage_of, usage_since
from aexl_pipelines.runners.parsing import ProtocolParser, spent
from aexl_pipelines.runners.reading import count_of, name_of, table_of, tables_of, text_of, whole_of

_AGAIN: Final = re.compile(r"Reconnecting\.\.\. (\d+)/\d+ ?(.*)", re.DOTALL)
_STATUS: Final = re.compile(r"unexpected status (\d{3})")
_REJECTED: Final = re.compile(r"(?:error=)?((?:patch|exec|command)\b[^\n]{0,60}? rejected[^\n;]*)")

_TOOLS: Final = frozenset({"command_execution", "file_change", "mcp_tool_call", "web_search"})
_FAILED: Final = frozenset({"failed", "declined"})
_OUTPUTS: Final = frozenset({"id", "type", "status", "aggregated_output", "exit_code", "result", "error"})


class CodexParser(ProtocolParser):
    """Reads the lines of one turn."""

    def __init__(self, runner: str, request: RunnerRequest) -> None:
        super().__init__(runner, request)
        self._open: set[str] = set()

    def read(self, message: Mapping[str, object]) -> Iterable[RunnerEvent]:
        """Yield what a message means."""
        match text_of(message, "type"):
            case "thread.started":
                return (Started(session=name_of(message, "thread_id")),)
            case "turn.started" | "item.updated":
                return ()
            case "item.started":
                return self._item(table_of(message, "item"), done=False)
            case "item.completed":
                return self._item(table_of(message, "item"), done=True)
            case "error":
                return (_again(text_of(message, "message")),)
            case "turn.completed":
                return self._completed(table_of(message, "usage"))
            case "turn.failed":
                said = text_of(table_of(message, "error"), "message")
                found = _STATUS.search(said)
                return (self.conclude(classify(said, int(found[1]) if found else None)),)
            case _:
                return (self.unknown(message),)

    def finish(self, status: int, stderr: str) -> RunnerOutcome:
        """Return the outcome, with what standard error says was refused."""
        self._denials += [Denied(tool="shell", reason=reason) for reason in _REJECTED.findall(stderr)]
        return super().finish(status, stderr)

    def _item(self, item: Mapping[str, object], *, done: bool) -> Iterator[RunnerEvent]:
        kind = text_of(item, "type")
        if kind in _TOOLS:
            yield from self._tool(kind, item, done=done)
        elif not done:
            return
        elif kind == "agent_message":
            self.text = ""
            self.add_text(text_of(item, "text"))
            yield Text(text_of(item, "text"), whole=True)
        elif kind == "reasoning":
            yield Thinking(text_of(item, "text"))
        elif kind == "error":
            yield Warned(text_of(item, "message"))
        elif kind != "todo_list":
            yield self.unknown({"type": f"item.{kind}", "item": item})

    def _tool(self, kind: str, item: Mapping[str, object], *, done: bool) -> Iterator[RunnerEvent]:
        name = text_of(item, "tool") or kind
        identity = text_of(item, "id")
        if identity not in self._open:
            given = {key: value for key, value in item.items() if key not in _OUTPUTS}
            yield ToolUse(id=identity, name=name, input=given)
        self._open = self._open - {identity} if done else {*self._open, identity}
        if done:
            failed = text_of(item, "status") in _FAILED or bool(whole_of(item, "exit_code"))
            yield ToolResult(id=identity, output=_output(item), failed=failed)

    def _completed(self, usage: Mapping[str, object]) -> Iterator[RunnerEvent]:
        counted = _usage(usage)
        self.totals = Totals(usage=counted)
        before = self.request.session.before.usage
        resumed = self.request.session.kind != "new"
        if resumed and before is None:
            yield Warned("the session's earlier tokens are not known, so this run's tokens are not either")
        else:
            yield from spent(self, usage_since(counted, before) if resumed and before is not None else counted, None)
        yield self.conclude()


def _again(said: str) -> RunnerEvent:
    found = _AGAIN.match(said)
    if found is None:
        return Warned(said)
    status = _STATUS.search(found[2])
    return Retried(attempt=int(found[1][:9]), status=int(status[1]) if status else None, reason=found[2].strip("()"))


def _output(item: Mapping[str, object]) -> str:
    if text := text_of(item, "aggregated_output"):
        return text
    if changes := list(tables_of(item.get("changes"))):
        return "\n".join(f"{text_of(change, 'kind')} {text_of(change, 'path')}" for change in changes)
    if said := text_of(table_of(item, "error"), "message"):
        return said
    result = item.get("result")
    return "" if result is None else msgspec.json.encode(result).decode()


def _usage(usage: Mapping[str, object]) -> Usage:
    return usage_of(
        count_of(usage, "input_tokens"),
        cached=count_of(usage, "cached_input_tokens"),
        written=count_of(usage, "cache_write_input_tokens"),
        output=count_of(usage, "output_tokens"),
        thought=count_of(usage, "reasoning_output_tokens"),
    )
