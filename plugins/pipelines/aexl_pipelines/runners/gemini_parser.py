"""What Gemini CLI prints with ``-o stream-json``; its exit code says nothing of success."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from aexl.api.runners import (
    Denied,
    RunnerError,
    RunnerEvent,
    Started,
    Text,
    ToolResult,
    ToolUse,
    Warned,
)
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import usage_of
from aexl_pipelines.runners.parsing import ProtocolParser, last_lines, spent
from aexl_pipelines.runners.reading import count_of, name_of, table_of, text_of

_CODE: Final = re.compile(r'"code":\s*(\d{3})')

_BY_EXIT: Final = {
    41: RunnerError(kind="auth", message="gemini has no way to authenticate"),
    42: RunnerError(kind="session", message="gemini does not know the session, or cannot use its input"),
    53: RunnerError(kind="turns", message="the run reached its limit of turns"),
    55: RunnerError(kind="settings", message="gemini does not trust the working folder"),
}

_STATUSES: Final = {status & 0xFF: status for status in (400, 401, 403, 429, 500, 503)}
"""Where a model call failed, its status' last eight bits are the exit code."""


class GeminiParser(ProtocolParser):
    """Reads the lines of one run; the answer is what was said after the last tool."""

    def read(self, message: Mapping[str, object]) -> Iterable[RunnerEvent]:
        """Yield what a message means."""
        match text_of(message, "type"):
            case "init":
                return (Started(session=name_of(message, "session_id"), model=name_of(message, "model")),)
            case "message":
                return self._message(message)
            case "tool_use":
                self.text = ""
                name, given = text_of(message, "tool_name"), message.get("parameters")
                return (ToolUse(id=text_of(message, "tool_id"), name=name, input=given),)
            case "tool_result":
                return self._tool_result(message)
            case "error":
                return (Warned(text_of(message, "message")),)
            case "result":
                return self._result(message)
            case _:
                return (self.unknown(message),)

    def verdict(self, status: int, stderr: str) -> RunnerError | None:
        """Return why the run failed; where nothing was concluded, the exit code may say it."""
        if self.concluded or self.error is not None:
            return self.error
        if status in _BY_EXIT:
            known = _BY_EXIT[status]
            said = last_lines(stderr)
            return RunnerError(kind=known.kind, message=f"{known.message}: {said}" if said else known.message)
        if status in _STATUSES:
            return classify(last_lines(stderr), _STATUSES[status])
        return super().verdict(status, stderr)

    def _message(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        if message.get("role") != "assistant":
            return
        text = text_of(message, "content")
        if message.get("delta") is not True:
            self.text = ""
        self.add_text(text)
        yield Text(text, whole=message.get("delta") is not True)

    def _tool_result(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        self.text = ""
        error = table_of(message, "error")
        identity = text_of(message, "tool_id")
        output = text_of(message, "output") or text_of(error, "message")
        yield ToolResult(id=identity, output=output, failed=message.get("status") == "error")
        if error.get("type") == "policy_violation":
            yield Denied(tool=identity.partition("__")[0], reason=text_of(error, "message"))

    def _result(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        stats = table_of(message, "stats")
        usage = usage_of(
            count_of(stats, "input_tokens"), cached=count_of(stats, "cached"), output=count_of(stats, "output_tokens")
        )
        yield from spent(self, usage, None)
        yield self.conclude(None if message.get("status") == "success" else _error(table_of(message, "error")))


def _error(error: Mapping[str, object]) -> RunnerError:
    said = text_of(error, "message")
    if text_of(error, "type") == "FatalTurnLimitedError":
        return RunnerError(kind="turns", message=said or "the run reached its limit of turns")
    found = _CODE.search(said)
    return classify(said, int(found[1]) if found else None)
