"""What ``opencode run --format json`` prints: whole parts of messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.runners import (
    Denied,
    RunnerError,
    RunnerEvent,
    Spent,
    Started,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import usage_sum
from aexl_pipelines.runners.parsing import ProtocolParser
from aexl_pipelines.runners.reading import count_of, name_of, nanos_of, table_of, text_of, whole_of

_REJECTED: Final = ("rejected permission", "prevents you from using", "permission requested")

_CUT: Final = {"length": "the answer reached the model's output limit", "content-filter": "the provider withheld it"}


class OpencodeParser(ProtocolParser):
    """Reads the lines of one run; it is done when a step finishes with reason ``stop``."""

    _reason = ""

    def read(self, message: Mapping[str, object]) -> Iterable[RunnerEvent]:
        """Yield what a message means."""
        part = table_of(message, "part")
        begun = self._begin(message)
        match text_of(message, "type"):
            case "step_start":
                self._reason = ""
                return begun
            case "text":
                self.text = ""
                self.add_text(text_of(part, "text"))
                return (*begun, Text(text_of(part, "text"), whole=True))
            case "reasoning":
                return (*begun, Thinking(text_of(part, "text")))
            case "tool_use":
                return (*begun, *_tool(part))
            case "step_finish":
                return (*begun, *self._finished(part))
            case "error":
                return (*begun, self.conclude(_error(table_of(message, "error"))))
            case _:
                return (*begun, self.unknown(message))

    def verdict(self, status: int, stderr: str) -> RunnerError | None:
        """Return why the run failed: a turn may just stop where a permission was missing, with exit code 0."""
        if self.error is not None or self.concluded:
            return self.error
        if self._reason == "tool-calls" and self._denials:
            return RunnerError(kind="permission", message=self._denials[-1].reason)
        if self._reason in _CUT:
            return RunnerError(kind="other", message=_CUT[self._reason])
        return super().verdict(status, stderr)

    def _begin(self, message: Mapping[str, object]) -> tuple[RunnerEvent, ...]:
        session = name_of(message, "sessionID")
        if session is None or session == self.session:
            return ()
        self.session = session
        return (Started(session=session),)

    def _finished(self, part: Mapping[str, object]) -> Iterator[RunnerEvent]:
        tokens = table_of(part, "tokens")
        cache = table_of(tokens, "cache")
        thought = count_of(tokens, "reasoning")
        usage = Usage(
            input_tokens=count_of(tokens, "input"),
            cached_input_tokens=count_of(cache, "read"),
            cache_write_tokens=count_of(cache, "write"),
            output_tokens=count_of(tokens, "output") + thought,
            reasoning_tokens=thought,
        )
        cost = nanos_of(part.get("cost"))
        self.usage = usage_sum(self.usage, usage)
        self.cost = cost if self.cost is None else self.cost + (cost or 0)
        self.turns = (self.turns or 0) + 1
        yield Spent(usage=usage, cost=cost)
        self._reason = text_of(part, "reason")
        if self._reason == "stop":
            yield self.conclude()


def _tool(part: Mapping[str, object]) -> Iterator[RunnerEvent]:
    state = table_of(part, "state")
    identity, name = text_of(part, "callID"), text_of(part, "tool")
    yield ToolUse(id=identity, name=name, input=state.get("input"))
    error = text_of(state, "error")
    yield ToolResult(id=identity, output=_output(state) or error, failed=state.get("status") == "error")
    if any(words in error for words in _REJECTED):
        yield Denied(tool=name, reason=error)


def _output(state: Mapping[str, object]) -> str:
    output = state.get("output")
    if output is None or isinstance(output, str):
        return output or ""
    return msgspec.json.encode(output).decode()


def _error(error: Mapping[str, object]) -> RunnerError:
    data = table_of(error, "data")
    return classify(text_of(data, "message") or text_of(error, "name"), whole_of(data, "statusCode"))
