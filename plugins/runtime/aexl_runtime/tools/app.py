"""The route ``/v1/tools/execute``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import trio

from aexl.api import Answer, ASGIReceive, ASGIScope, ASGISend, Body, Call, Headers, Host, Principal, format_usd, uuid7
from aexl.errors import CallError, Invalid, Refused

PATHS: Final = ("/v1/tools/execute", "/openai/v1/tools/execute")
LONGEST_NAME: Final = 128
LONGEST_ID: Final = 200

_SECONDS: Final = 3600.0
_KEYS: Final = ("tool_name", "arguments", "execution_id")
_ASK_AGAIN: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class ToolsApp:
    """Takes a request, makes a call of it, and sends what the tool answers.

    The request's ``execution_id`` is its idempotency key: asked again with the same request, the first answer is
    sent again, to the same agent only.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        call: Call | None = None
        try:
            if scope["method"] != "POST":
                raise Refused("use POST", code="method_not_allowed", status=405)
            data = await _read(receive)
            if data is None:
                return
            call = read_call(scope, data)
            async with self._host.call(call) as answer:
                body = b"".join([chunk async for chunk in answer.chunks])
                shown = call.id if call.keyed else answer.execution
                await _send(send, answer.status, _head(answer), _named(body, shown))
                answer.delivered()
        except CallError as error:
            await _send(send, *refuse(error, scope["path"], scope["method"]))


def read_call(scope: ASGIScope, data: bytes) -> Call:
    """Return the call that a request makes.

    Raises:
        Refused: If the request is not acceptable.
    """
    principal: Principal = scope["state"]["principal"]
    body = _checked(data)
    name = body.get("tool_name")
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise _invalid(f"tool_name must be a text of 1 to {LONGEST_NAME} characters", "tool_name")
    key = _key(scope, body)
    now = trio.current_time()
    # Policies see it as what it is: an offer of this one tool.
    governed = {
        "tools": [{"type": "function", "function": {"name": name}}],
        "tool_name": name,
        "arguments": body.get("arguments"),
    }
    return Call(
        id=key or uuid7(),
        keyed=key is not None,
        principal=principal,
        surface="tools",
        method="POST",
        path="/tools/execute",
        query="",
        headers=((b"content-type", b"application/json"),),
        body=Body(msgspec.json.encode(governed)),
        model=name,
        stream=False,
        output_limit=None,
        output_key="max_output_tokens",
        output_floor=0,
        choices=1,
        retry_count=0,
        provider_key=None,
        received=now,
        deadline=now + _SECONDS,
        fingerprint=hashlib.sha256(b"POST /tools/execute " + data).digest(),
    )


def _checked(data: bytes) -> Body:
    try:
        body = Body(data)
        unknown = sorted(key for key in body if key not in _KEYS)
    except Invalid as error:
        raise _invalid(str(error), None) from error
    if not data:
        raise _invalid("the body is empty; it must be a JSON object with tool_name and arguments", None)
    if unknown:
        raise _invalid(f"{unknown[0]!r} is not a key of this request; it has {', '.join(_KEYS)}", unknown[0])
    return body


def _key(scope: ASGIScope, body: Body) -> str | None:
    given = body.get("execution_id")
    headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
    found = [given] if given is not None else []
    for name in (b"idempotency-key", b"x-aexl-execution-id"):
        if name in headers:
            found.append(headers[name].decode("latin-1"))
    if not found:
        return None
    key = found[0]
    if not isinstance(key, str) or not 1 <= len(key) <= LONGEST_ID or not (key.isascii() and key.isprintable()):
        raise _invalid(f"an execution id has 1 to {LONGEST_ID} printable ASCII characters", "execution_id")
    if any(other != key for other in found):
        raise _invalid("execution_id, idempotency-key and x-aexl-execution-id differ; send one of them", "execution_id")
    return key


def _invalid(reason: str, param: str | None) -> Refused:
    return Refused(reason, code="invalid_request", status=400, param=param)


def _named(body: bytes, execution: str) -> bytes:
    """Put the id that asks for the same answer again into it."""
    return msgspec.json.encode({"execution_id": execution, **msgspec.json.decode(body, type=dict[str, msgspec.Raw])})


def _head(answer: Answer) -> list[tuple[bytes, bytes]]:
    headers = [*answer.headers, (b"x-aexl-execution-id", answer.execution.encode())]
    if answer.receipt.hash:
        headers.append((b"x-aexl-receipt", f"{answer.receipt.seq}:{answer.receipt.hash}".encode()))
    if answer.replayed:
        headers.append((b"x-aexl-replayed", b"true"))
    booked = answer.booked
    if booked is not None:
        headers.append((b"x-aexl-cost-usd", format_usd(booked.amount).encode()))
        if booked.remaining is not None:
            headers.append((b"x-aexl-budget-remaining-usd", format_usd(booked.remaining).encode()))
    return headers


def refuse(error: CallError, path: str, method: str) -> tuple[int, Headers, bytes]:  # noqa: ARG001 - as a mount's
    """Return status, headers and body of an error, in the shape of the OpenAI surface."""
    param = error.param if isinstance(error, Refused) else None
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    body: Mapping[str, Any] = {"error": {"message": error.reason, "type": kind, "param": param, "code": error.code}}
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
    if error.execution is not None:
        headers.append((b"x-aexl-execution-id", error.execution.encode()))
    if error.receipt is not None:
        headers.append((b"x-aexl-receipt", error.receipt.encode()))
    if error.status not in _ASK_AGAIN:
        headers.append((b"x-should-retry", b"false"))
    elif isinstance(error, Refused) and error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    return error.status, [*headers, *error.headers], msgspec.json.encode(body)


async def _read(receive: ASGIReceive) -> bytes | None:
    """Return the whole body, whose size the server bounds; ``None`` if the client left."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


async def _send(send: ASGISend, status: int, headers: Headers, body: bytes) -> None:
    head = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body, "more_body": False})
