"""What Claude Code prints with ``--output-format stream-json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from aexl.api import Usage
from aexl.api.runners import (
    Asked,
    Concluded,
    Decision,
    Denied,
    Retried,
    RunnerError,
    RunnerEvent,
    Started,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Totals,
    Warned,
)
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import cost_since
from aexl_pipelines.runners.parsing import ProtocolParser, spent
from aexl_pipelines.runners.reading import count_of, name_of, nanos_of, table_of, tables_of, text_of, whole_of


def user_message(prompt: str) -> bytes:
    """Return a prompt as a line of stream-json input."""
    return msgspec.json.encode({"type": "user", "message": {"role": "user", "content": prompt}}) + b"\n"


class ClaudeParser(ProtocolParser):
    """Reads the lines of one run, of one or more model calls.

    One ``assistant`` line comes for each block of a message, behind its pieces
    where those are asked for; so of a message that came in pieces, only what did
    not is told from the whole.
    """

    _pieces_of = ""

    def read(self, message: Mapping[str, object]) -> Iterable[RunnerEvent]:
        """Yield what a message means."""
        match text_of(message, "type"):
            case "system":
                return self._system(message)
            case "stream_event":
                return self._piece(message)
            case "assistant":
                return self._assistant(message)
            case "user":
                return _results(message)
            case "control_request":
                return self._request(message)
            case "result":
                return self._result(message)
            case "control_response" | "keep_alive":  # an answer to what we never ask, and a sign of life
                return ()
            case _:
                return (self.unknown(message),)

    def answer(self, asked: Asked, decision: Decision) -> bytes:
        """Return the line that answers a question."""
        if decision.allow:
            given = asked.input if decision.input is None else decision.input
            verdict: dict[str, object] = {"behavior": "allow", "updatedInput": given}
        else:
            verdict = {"behavior": "deny", "message": decision.reason or "A person has denied this."}
        response = {"subtype": "success", "request_id": asked.id, "response": verdict}
        return msgspec.json.encode({"type": "control_response", "response": response}) + b"\n"

    def _system(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        match message.get("subtype"):
            case "init":
                yield Started(session=name_of(message, "session_id"), model=name_of(message, "model"))
            case "api_retry":
                status = whole_of(message, "error_status")
                yield Retried(attempt=count_of(message, "attempt"), status=status, reason=text_of(message, "error"))
            case "permission_denied":
                yield Denied(tool=text_of(message, "tool_name"), reason=text_of(message, "message"))
            case "status" | "ui_invalidate" | "task_started" | "task_notification":
                return
            case _:
                yield self.unknown(message)

    def _piece(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        event = table_of(message, "event")
        if message.get("parent_tool_use_id") is not None:
            return  # a sub-agent speaks to the agent, not to us
        if event.get("type") == "message_start":
            self._pieces_of = text_of(table_of(event, "message"), "id")
        elif event.get("type") == "content_block_delta":
            delta = table_of(event, "delta")
            if text := text_of(delta, "text"):
                yield Text(text)
            if thought := text_of(delta, "thinking"):
                yield Thinking(thought)

    def _assistant(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        inner = table_of(message, "message")
        told = message.get("parent_tool_use_id") is not None or (
            bool(self._pieces_of) and inner.get("id") == self._pieces_of
        )
        for block in tables_of(inner.get("content")):
            match text_of(block, "type"):
                case "text" if message.get("error"):
                    yield Warned(text_of(block, "text"))
                case "text" if not told:
                    yield Text(text_of(block, "text"), whole=True)
                case "thinking" if not told:
                    yield Thinking(text_of(block, "thinking"))
                case "tool_use" | "server_tool_use":
                    yield ToolUse(id=text_of(block, "id"), name=text_of(block, "name"), input=block.get("input"))
                case _:
                    continue

    def _request(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        request = table_of(message, "request")
        if request.get("subtype") != "can_use_tool":
            yield self.unknown(message)
            return
        yield Asked(
            id=text_of(message, "request_id"),
            tool=text_of(request, "tool_name"),
            input=request.get("input"),
            detail=text_of(request, "description"),
        )

    def _result(self, message: Mapping[str, object]) -> Iterator[RunnerEvent]:
        self.session = name_of(message, "session_id") or self.session
        self.turns = whole_of(message, "num_turns")
        self.text = ""
        self.add_text(text_of(message, "result"))
        self.structured = message.get("structured_output")
        total = nanos_of(message.get("total_cost_usd"))
        self.totals = Totals(cost=total)
        yield from spent(self, _usage(table_of(message, "usage")), self._cost(message, total))
        yield from self._late_denials(message)
        yield self._end(message)

    def _end(self, message: Mapping[str, object]) -> Concluded:
        subtype = text_of(message, "subtype")
        if message.get("is_error") is False and subtype == "success":
            return self.conclude()
        said, self.text = self.text, ""
        said = said or "; ".join(str(line) for line in _items(message.get("errors")))
        if subtype == "error_max_turns":
            return self.conclude(RunnerError(kind="turns", message=said or "the run reached its limit of turns"))
        if subtype == "error_max_budget_usd":
            return self.conclude(RunnerError(kind="usd", message=said or "the run reached its limit in USD"))
        if text_of(message, "terminal_reason").startswith("aborted"):
            return self.conclude(RunnerError(kind="stopped", message="the run was interrupted"))
        return self.conclude(classify(said or subtype, whole_of(message, "api_error_status")))

    def _cost(self, message: Mapping[str, object], total: int | None) -> int | None:
        """Return this turn's cost: the CLI's own count since its last result, else what the sum has grown by."""
        models = message.get("model_usage_since_last_result")
        if isinstance(models, dict):
            costs = [nanos_of(model.get("costUSD")) for model in models.values() if isinstance(model, dict)]
            return sum(cost for cost in costs if cost is not None)
        return cost_since(total, self.request.session.before.cost)

    def _late_denials(self, message: Mapping[str, object]) -> Iterator[Denied]:
        """Yield denials that only the result names; older versions say them nowhere else."""
        known = len(self._denials)
        listed = list(tables_of(message.get("permission_denials")))
        for denial in listed[known:]:
            yield Denied(tool=text_of(denial, "tool_name"))


def _results(message: Mapping[str, object]) -> Iterator[ToolResult]:
    for block in tables_of(table_of(message, "message").get("content")):
        if block.get("type") == "tool_result":
            failed = block.get("is_error") is True
            yield ToolResult(id=text_of(block, "tool_use_id"), output=_plain(block.get("content")), failed=failed)


def _plain(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(text_of(part, "text") for part in tables_of(content))


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _usage(usage: Mapping[str, object]) -> Usage:
    written = count_of(usage, "cache_creation_input_tokens")
    hour = min(count_of(table_of(usage, "cache_creation"), "ephemeral_1h_input_tokens"), written)
    output = count_of(usage, "output_tokens")
    thought = count_of(table_of(usage, "output_tokens_details"), "thinking_tokens")
    return Usage(
        input_tokens=count_of(usage, "input_tokens"),
        cached_input_tokens=count_of(usage, "cache_read_input_tokens"),
        cache_write_tokens=written - hour,
        cache_write_1h_tokens=hour,
        output_tokens=output,
        reasoning_tokens=min(thought, output),
    )
