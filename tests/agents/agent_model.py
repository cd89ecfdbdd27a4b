"""A model that works like an agent's: it runs commands by the client's own tools, then says that it is done.

What it answers depends on the conversation alone: as long as it holds fewer
results of tools than there are commands, the next command is asked for. So a
client that sends a request again gets the same answer again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from model_server import Handler, ModelServer

FINAL: Final = "All of it is done."

USAGE: Final = {"input": 2000, "cached": 1500, "output": 500}
"""Tokens of every answer; ``input`` counts those that were cached too."""

Event = tuple[str | None, dict[str, object] | str]


class AgentModel(ModelServer):
    """Serves until the block is left.

    Attributes:
        commands: Shell commands for the client to run, one in each answer.
        final: What it says when there is none left.
        answered: How many answers with usage were sent.
    """

    def __init__(self) -> None:
        super().__init__(AgentHandler)
        self.commands: Sequence[str] = ()
        self.final = FINAL
        self.answered = 0
        self._lock = threading.Lock()

    def count(self) -> None:
        with self._lock:
            self.answered += 1

    def paths(self) -> list[str]:
        """Return method and path of every request, without the query."""
        return [f"{method} {path.partition('?')[0]}" for method, path, _, _ in self.requests]


class AgentHandler(Handler):
    """Asks for the next command, or says the final word."""

    model_server: AgentModel

    def answer(self) -> dict[str, object]:
        self.model_server.count()
        answer: dict[str, Any] = super().answer()
        if self.path.endswith("/chat/completions"):
            answer["choices"][0]["message"]["content"] = self.model_server.final
            answer["usage"] = _chat_usage()
        return answer

    def events(self) -> list[Event]:
        self.traits.add("pause")  # while ``hold`` is cleared, a stream stops behind its first events
        self.model_server.count()
        if self.path.startswith("/v1/messages"):
            return _named(
                _messages(self.request_body, self._next(_messages_results(self.request_body)), self.model_server.final)
            )
        if self.path.startswith("/v1/responses"):
            return _named(
                _responses(
                    self.request_body, self._next(_responses_results(self.request_body)), self.model_server.final
                )
            )
        return _chat(self.request_body, self._next(_chat_results(self.request_body)), self.model_server.final)

    def _next(self, results: int) -> str | None:
        commands = self.model_server.commands
        return commands[results] if results < len(commands) else None


def _named(bodies: list[dict[str, Any]]) -> list[Event]:
    return [(str(body["type"]), body) for body in bodies]


def _messages_results(request: Mapping[str, Any]) -> int:
    contents = [message["content"] for message in request["messages"]]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return sum(block["type"] == "tool_result" for block in blocks)


def _responses_results(request: Mapping[str, Any]) -> int:
    return sum(item.get("type", "").endswith("_call_output") for item in request["input"])


def _chat_results(request: Mapping[str, Any]) -> int:
    return sum(message["role"] == "tool" for message in request["messages"])


def _tool(request: Mapping[str, Any], command: str) -> tuple[str, dict[str, str]]:
    """Return the name of the client's shell and what to give it, by the tools that it offers."""
    tools = [tool.get("function", tool) for tool in request.get("tools", [])]
    names = {tool.get("name") for tool in tools}
    if "exec_command" in names:
        return "exec_command", {"cmd": command}
    if "functions__exec" in names:  # a program, which went from one dialect to another as an argument of a function
        return "functions__exec", {"input": _program(command)}
    shell = next((name for name in ("bash", "run_shell_command") if name in names), "Bash")
    return shell, {"command": command, "description": "One step"}


def _program(command: str) -> str:
    return f"text(await tools.exec_command({json.dumps({'cmd': command})}))"


def _messages(request: Mapping[str, Any], command: str | None, final: str) -> list[dict[str, Any]]:
    if command is None:
        block: dict[str, Any] = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": final}
    else:
        name, given = _tool(request, command)
        block = {"type": "tool_use", "id": f"toolu_{_messages_results(request)}", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(given)}
    usage = {
        "input_tokens": USAGE["input"] - USAGE["cached"],
        "cache_read_input_tokens": USAGE["cached"],
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message = {
        "id": f"msg_{_messages_results(request)}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    stop = {"stop_reason": "end_turn" if command is None else "tool_use", "stop_sequence": None}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": USAGE["output"]}},
        {"type": "message_stop"},
    ]


def _responses(request: Mapping[str, Any], command: str | None, final: str) -> list[dict[str, Any]]:
    number = _responses_results(request)
    if command is None:
        text = {"type": "output_text", "text": final, "annotations": []}
        item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [text]}
        place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        deltas = [{"type": "response.output_text.delta", **place, "delta": final, "logprobs": []}]
    else:
        deltas = []
        item = {"id": f"item_{number}", "call_id": f"call_{number}", **_shell(request, command)}
    response: dict[str, Any] = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1700000000,
        "model": request["model"],
        "output": [],
    }
    usage = {
        "input_tokens": USAGE["input"],
        "input_tokens_details": {"cached_tokens": USAGE["cached"]},
        "output_tokens": USAGE["output"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": USAGE["input"] + USAGE["output"],
    }
    bodies: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress"}},
        *deltas,
        {"type": "response.output_item.done", "output_index": 0, "item": {**item, "status": "completed"}},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [item], "usage": usage},
        },
    ]
    return [{**body, "sequence_number": place} for place, body in enumerate(bodies)]


def _shell(request: Mapping[str, Any], command: str) -> dict[str, str]:
    """Return a call of the client's shell; what that is depends on the model's name."""
    if "tools" in request:
        name, given = _tool(request, command)
        return {"type": "function_call", "name": name, "arguments": json.dumps(given)}
    # Newer models write programs, and get their tools as an item of the input.
    return {"type": "custom_tool_call", "namespace": "functions", "name": "exec", "input": _program(command)}


def _chat(request: Mapping[str, Any], command: str | None, final: str) -> list[Event]:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": request["model"]}

    def chunk(delta: dict[str, object], reason: str | None = None) -> Event:
        return None, {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    if command is None:
        said = [chunk({"content": final}), chunk({}, "stop")]
    else:
        name, given = _tool(request, command)
        function = {"name": name, "arguments": ""}
        call = {"index": 0, "id": f"call_{_chat_results(request)}", "type": "function", "function": function}
        rest = {"index": 0, "function": {"arguments": json.dumps(given)}}
        said = [chunk({"tool_calls": [call]}), chunk({"tool_calls": [rest]}), chunk({}, "tool_calls")]
    return [
        chunk({"role": "assistant", "content": ""}),
        *said,
        (None, {**base, "choices": [], "usage": _chat_usage()}),
        (None, "[DONE]"),
    ]


def _chat_usage() -> dict[str, object]:
    return {
        "prompt_tokens": USAGE["input"],
        "completion_tokens": USAGE["output"],
        "total_tokens": USAGE["input"] + USAGE["output"],
        "prompt_tokens_details": {"cached_tokens": USAGE["cached"]},
    }
