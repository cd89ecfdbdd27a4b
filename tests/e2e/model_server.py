"""A model server on loopback that speaks every dialect, and misbehaves where the model's name says so.

``gpt-…`` and ``claude-…`` names carry words joined by dots: ``gpt.no-usage``,
``gpt.cut``, ``gpt.slow``, ``gpt.status-429``. What a call costs is in its usage:
``in-500`` and ``out-200`` in the name set the tokens; 10 and 20 otherwise.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import endpoint_answers
import gemini_answers

WORDS = ("The ", "quick ", "brown ", "fox ", "jumps.")


class ModelServer:
    """Serves until the block is left.

    Args:
        handler: Answers in the place of ``Handler``.

    Attributes:
        url: Where it listens, without ``/v1``.
        requests: Method, path, headers and body of every request, in order.
        hold: While it is cleared, ``slow`` models wait for it.
    """

    def __init__(self, handler: type[Handler] | None = None) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.hold = threading.Event()
        self.hold.set()
        self._server = _Server(("127.0.0.1", 0), type("Bound", (handler or Handler,), {"model_server": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def bodies(self) -> list[dict[str, object]]:
        return [json.loads(body) for _, _, _, body in self.requests if body]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """A client that is killed resets its connections."""


class Handler(BaseHTTPRequestHandler):
    """Answers as the model's name says; what a subclass overrides is ``events()`` and ``answer()``."""

    model_server: ModelServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.model_server.requests.append((self.command, self.path, dict(self.headers), b""))
        self._json(200, {"id": self.path.rsplit("/", 1)[-1], "object": "response"})

    do_DELETE = do_GET  # noqa: N815 - the library's name

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.model_server.requests.append((self.command, self.path, dict(self.headers), body))
        form = endpoint_answers.read_form(self.headers.get("content-type", ""), body)
        try:
            request = json.loads(body) if form is None else form
        except ValueError:
            self._json(400, {"error": {"message": "not JSON", "type": "invalid_request_error"}})
            return
        self.request_body = request
        named = gemini_answers.read_path(self.path)
        self.model = str(request.get("model", "")) if named is None else named[0]
        self.verb = "" if named is None else named[1]
        self.traits = set(self.model.split(".")[1:])
        self.tokens = _number(self.traits, "in", 10), _number(self.traits, "out", 20)
        if "slow" in self.traits:
            self.model_server.hold.wait(20)
        if "reset" in self.traits:
            self._reset()
            return
        if "cut-early" in self.traits:
            self._cut_early()
            return
        status = _number(self.traits, "status", 200)
        if status != 200:
            self._fail(status)
        elif self.path.startswith("/v1/messages/count_tokens"):
            self._json(200, {"input_tokens": 7})
        elif self.path.startswith("/v1/responses/input_tokens"):
            self._json(200, {"object": "response.input_tokens", "input_tokens": 7})
        elif self.path == "/v1/audio/speech":
            self._send(b"ID3 sound", {"Content-Type": "audio/mpeg"})
        elif request.get("stream") in (True, "true") or "alt=sse" in self.path:
            self._stream(self.events())
        else:
            self._json(200, self.answer())

    def events(self) -> list[tuple[str | None, dict[str, object] | str]]:
        if self.verb:
            return gemini_answers.events(self)
        if self.path in endpoint_answers.EVENTS:
            return endpoint_answers.EVENTS[self.path](self)
        if self.path.startswith("/v1/messages"):
            return _messages_events(self)
        if self.path.startswith("/v1/responses"):
            return _responses_events(self)
        return _chat_events(self)

    def answer(self) -> object:
        if self.verb:
            return gemini_answers.answer(self)
        if self.path in endpoint_answers.ANSWERS:
            return endpoint_answers.ANSWERS[self.path](self)
        if self.path.startswith("/v1/messages"):
            return _message(self)
        if self.path.startswith("/v1/responses"):
            return _response(self)
        return _completion(self)

    def _fail(self, status: int) -> None:
        error: dict[str, object] = {"message": f"upstream says {status}"}
        error |= {"code": status, "status": "UNAVAILABLE"} if self.verb else {"type": "upstream_error", "param": None}
        error |= {} if self.verb else {"code": "boom"}
        headers = {"Retry-After": "7"} if status == 429 else {}
        self._json(status, {"error": error}, headers)

    def _json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        data = value.encode() if isinstance(value, str) else json.dumps(value, indent=1).encode()
        self._send(data, {"Content-Type": "application/json", "x-request-id": "req_1", **(headers or {})}, status)

    def _send(self, data: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response_only(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: list[tuple[str | None, dict[str, object] | str]]) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("x-request-id", "req_1")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, (name, value) in enumerate(events):
            if "cut" in self.traits and number == len(events) // 2:
                self._reset()
                return
            text = value if isinstance(value, str) else json.dumps(value)
            data = (f"event: {name}\n" if name else "") + f"data: {text}\n\n"
            self._chunk(data.encode())
            if "paced" in self.traits:
                time.sleep(0.03)
            if "pause" in self.traits and number == 1:
                self.model_server.hold.wait(20)
        self._chunk(b"")

    def _cut_early(self) -> None:
        """Begin an answer, and break off before there is anything of a body that could be passed on."""
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream" if self.request_body.get("stream") else "application/json")
        self.send_header("Content-Length", "500")
        self.end_headers()
        self.wfile.write(b"" if self.request_body.get("stream") else b'{"id":')
        self.wfile.flush()
        self._reset()

    def _chunk(self, data: bytes) -> None:
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        except OSError:
            self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _number(traits: set[str], name: str, default: int) -> int:
    found = [int(m[1]) for trait in traits if (m := re.fullmatch(rf"{name}-(\d+)", trait))]
    return found[0] if found else default


def _tool(handler: Handler) -> bool:
    """Say whether to call a tool: where there is one, until it has given a result."""
    request = handler.request_body
    text = json.dumps([request.get("messages"), request.get("input")])
    answered = any(word in text for word in ('"tool_call_id"', '"tool_result"', '"function_call_output"'))
    return bool(request.get("tools")) and "mute" not in handler.traits and not answered


def _chat_usage(handler: Handler) -> dict[str, object]:
    given, made = handler.tokens
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def _completion(handler: Handler) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    reason = "stop"
    if "response_format" in handler.request_body:
        message["content"] = '{"city": "Paris", "people": 2}'
    if _tool(handler):
        function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        }
        reason = "tool_calls"
    answer: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": handler.request_body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "system_fingerprint": "fp_1",
    }
    if "no-usage" not in handler.traits:
        answer["usage"] = _chat_usage(handler)
    return answer


def _chat_events(handler: Handler) -> list[tuple[str | None, dict[str, object] | str]]:
    options = handler.request_body.get("stream_options") or {}
    wants = isinstance(options, dict) and options.get("include_usage") and "no-usage" not in handler.traits
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}

    def chunk(delta: dict[str, object], reason: str | None = None) -> tuple[None, dict[str, object]]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return None, {**base, "choices": [choice], **({"usage": None} if wants else {})}

    events: list[tuple[str | None, dict[str, object] | str]] = [chunk({"role": "assistant", "content": ""})]
    if _tool(handler):
        first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": ""}}
        events.append(chunk({"tool_calls": [first]}))
        for piece in ('{"a": 1,', ' "b": 2}'):
            events.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
        events.append(chunk({}, "tool_calls"))
    else:
        events += [chunk({"content": word}) for word in WORDS]
        events.append(chunk({}, "stop"))
    if wants:
        events.append((None, {**base, "choices": [], "usage": _chat_usage(handler)}))
    return [*events, (None, "[DONE]")]


def _response(handler: Handler, status: str = "completed") -> dict[str, object]:
    given, made = handler.tokens
    text = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    item: dict[str, object] = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [text],
    }
    if _tool(handler):
        call = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed", **call}
    return {
        "id": "resp_" + "_".join(sorted(handler.traits) or ["1"]),
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "model": handler.request_body["model"],
        "output": [item] if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": given + made,
        }
        if status == "completed"
        else None,
    }


def _responses_events(handler: Handler) -> list[tuple[str | None, dict[str, object] | str]]:
    item = {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = "".join(WORDS)
    done = _response(handler)
    said: list[dict[str, object]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": word, "logprobs": []} for word in WORDS),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": {**part, "text": text}},
    ]
    if _tool(handler):
        call: dict[str, object] = {**done["output"][0], "arguments": "", "status": "in_progress"}  # type: ignore[index]
        where = {"item_id": "fc_1", "output_index": 0}
        pieces = ('{"a": 1,', ' "b": 2}')
        said = [
            {"type": "response.output_item.added", "output_index": 0, "item": call},
            *({"type": "response.function_call_arguments.delta", **where, "delta": piece} for piece in pieces),
            {"type": "response.function_call_arguments.done", **where, "arguments": "".join(pieces)},
        ]
    bodies: list[dict[str, object]] = [
        {"type": "response.created", "response": _response(handler, "in_progress")},
        *said,
        {"type": "response.output_item.done", "output_index": 0, "item": done["output"][0]},  # type: ignore[index]
        {"type": "response.completed", "response": done},
    ]
    return [(str(body["type"]), {**body, "sequence_number": n}) for n, body in enumerate(bodies)]


def _message(handler: Handler) -> dict[str, object]:
    given, made = handler.tokens
    content: dict[str, object] = {"type": "text", "text": "".join(WORDS)}
    if _tool(handler):
        content = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1, "b": 2}}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": handler.request_body["model"],
        "content": [content],
        "stop_reason": "tool_use" if _tool(handler) else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": given, "output_tokens": made},
    }


def _messages_events(handler: Handler) -> list[tuple[str | None, dict[str, object] | str]]:
    given, made = handler.tokens
    message = {
        **_message(handler),
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": given, "output_tokens": 1},
    }
    if _tool(handler):
        block: dict[str, object] = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"a": 1,', ' "b": 2}')]
    else:
        block = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": word} for word in WORDS]
    stop = {"stop_reason": "tool_use" if _tool(handler) else "end_turn", "stop_sequence": None}
    bodies: list[dict[str, object]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": made}},
        {"type": "message_stop"},
    ]
    return [(str(body["type"]), body) for body in bodies]
