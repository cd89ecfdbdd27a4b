"""Reading a request's body and sending small answers, in ASGI's messages."""

from __future__ import annotations

import msgspec

from aexl.api import ASGIReceive, ASGISend, Headers, uuid7
from aexl.errors import CallError
from aexl_proxy.dialects import Dialect, error_answer


async def read_body(receive: ASGIReceive) -> bytes | None:
    """Return the whole body, whose size the server bounds; ``None`` if the client left."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return first
    pieces = [first]
    while message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
    return b"".join(pieces)


async def send_answer(send: ASGISend, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer of ours; ``content-length`` is added."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def send_error(send: ASGISend, error: CallError, dialect: Dialect, path: str) -> None:
    """Send an error in a dialect."""
    status, headers, body = error_answer(error, dialect, path, uuid7())
    await send_answer(send, status, headers, body)


async def send_json(send: ASGISend, value: object, anthropic: bool) -> None:
    """Send a value that we made ourselves."""
    body = msgspec.json.encode(value)
    headers = (
        (b"content-type", b"application/json"),
        (b"request-id" if anthropic else b"x-request-id", uuid7().encode()),
    )
    await send_answer(send, 200, headers, body)
