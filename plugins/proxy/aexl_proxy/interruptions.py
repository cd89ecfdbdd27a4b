"""What a stream says when a verdict ends it half way. Pure.

Each dialect has an event that its clients take for an error and not for the end
of an answer. After it nothing follows: no terminator is invented.
"""

from __future__ import annotations

from typing import Final

import msgspec

from aexl.api import Surface
from aexl.errors import Refused
from aexl_proxy.dialects import error_body, error_object

_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_SEQUENCE: Final = b'"sequence_number":'
_LONGEST_HEAD: Final = 256 * 1024


def ends_an_event(before: bytes, last: bytes) -> bool:
    """Say whether a stream whose latest two chunks these are stands between two events."""
    return (before[-3:] + last).endswith(_EVENT_ENDS)


def verdict_event(verdict: Refused, surface: Surface, execution: str, first: bytes, last: bytes) -> bytes:
    """Return the event that ends a stream with a verdict.

    Args:
        first: The stream's first chunk, where a Responses stream describes its answer.
        last: The stream's latest chunks, where it counts its events.
    """
    if surface == "messages":
        return b"event: error\ndata: " + error_body(verdict, "anthropic", execution) + b"\n\n"
    if surface in ("responses", "stored"):
        failed = msgspec.json.encode(
            {
                "type": "response.failed",
                "sequence_number": _latest_sequence(last) + 1,
                "response": _failed_response(verdict, first),
            }
        )
        return b"event: response.failed\ndata: " + failed + b"\n\n"
    return b"data: " + msgspec.json.encode({"error": error_object(verdict, "openai")}) + b"\n\n"


def _latest_sequence(chunk: bytes) -> int:
    """Return the highest sequence number that the chunk's end shows, or -1."""
    start = chunk.rfind(_SEQUENCE)
    if start < 0:
        return -1
    digits = chunk[start + len(_SEQUENCE) : start + len(_SEQUENCE) + 16].lstrip()
    count = 0
    while count < len(digits) and digits[count : count + 1].isdigit():
        count += 1
    return int(digits[:count]) if count else -1


def _failed_response(verdict: Refused, first: bytes) -> dict[str, object]:
    response = _created_response(first)
    response["status"] = "failed"
    response["error"] = {"code": verdict.code, "message": verdict.reason}
    return response


def _created_response(first: bytes) -> dict[str, object]:
    """Return the answer as the stream's first event describes it, or the least that clients need."""
    for line in first[:_LONGEST_HEAD].splitlines():
        if line.startswith(b"data:"):
            try:
                event = msgspec.json.decode(line[5:])
            except msgspec.DecodeError:
                break
            response = event.get("response") if isinstance(event, dict) else None
            if isinstance(response, dict):
                return dict(response)
            break
    return {"id": "", "object": "response", "output": []}
