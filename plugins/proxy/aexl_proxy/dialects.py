"""How each dialect says no: status, headers and body of an error. Pure.

The status of a refusal is neutral until here. On ``/v1/responses`` a budget's or
a policy's becomes a 400, because the agent CLI that lives there asks again five
times on any other 4xx and stops at a 400 at once. On Gemini's paths it becomes a 403.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from aexl.api import Headers
from aexl.errors import WORTH_RETRYING, CallError, Refused
from aexl_proxy.costs import cost_headers

Dialect = Literal["openai", "anthropic", "gemini"]

_OPENAI_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    423: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    423: "permission_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_GEMINI_STATUSES: Final[Mapping[int, str]] = {
    401: "UNAUTHENTICATED",
    402: "PERMISSION_DENIED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    423: "PERMISSION_DENIED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_GEMINI_VERBS: Final = ("Content", "Contents", "countTokens")
_VERDICTS: Final = frozenset({402, 403, 423})


def path_dialect(path: str) -> Dialect:
    """Return the dialect of a path, where nothing else of the request is known."""
    if path.startswith(("/v1beta", "/v1alpha", "/gemini", "/models")):
        return "gemini"
    if path.startswith("/v1/models/") and path.rpartition(":")[2].endswith(_GEMINI_VERBS):
        return "gemini"
    if "/messages" in path:
        return "anthropic"
    if "/chat/" in path or "/responses" in path:
        return "openai"
    return "anthropic" if path.startswith("/anthropic/") else "openai"


def error_object(error: CallError, dialect: Dialect) -> dict[str, object]:
    """Return the ``error`` member of an error's body."""
    if dialect == "anthropic":
        kind = _ANTHROPIC_TYPES.get(error.status) or ("api_error" if error.status >= 500 else "invalid_request_error")
        return {"type": kind, "message": error.reason, "details": {"error_code": error.code}}
    if dialect == "gemini":
        status = _GEMINI_STATUSES.get(error.status) or ("INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT")
        return {
            "code": mapped_status(error.status, dialect, ""),
            "message": error.reason,
            "status": status,
            "details": _gemini_details(error),
        }
    kind = _OPENAI_TYPES.get(error.status) or ("server_error" if error.status >= 500 else "invalid_request_error")
    param = error.param if isinstance(error, Refused) else None
    return {"message": error.reason, "type": kind, "param": param, "code": error.code}


def _gemini_details(error: CallError) -> list[dict[str, object]]:
    details: list[dict[str, object]] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": error.code, "domain": "aexl"}
    ]
    if isinstance(error, Refused) and error.retry_after is not None and error.status in WORTH_RETRYING:
        delay = f"{max(1, math.ceil(error.retry_after))}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return details


def mapped_status(status: int, dialect: Dialect, path: str) -> int:
    """Return the status that makes the clients of a surface stop asking."""
    if status in _VERDICTS:
        if dialect == "gemini":
            return 403
        if path.endswith("/responses"):
            return 400
    return status


def error_body(error: CallError, dialect: Dialect, request_id: str) -> bytes:
    """Return the JSON body of an error."""
    if dialect == "anthropic":
        return msgspec.json.encode(
            {"type": "error", "error": error_object(error, dialect), "request_id": request_id},
        )
    return msgspec.json.encode({"error": error_object(error, dialect)})


def error_answer(
    error: CallError, dialect: Dialect, path: str, request_id: str
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers (without ``content-length``) and body of an error.

    Args:
        path: The request's path, with or without its prefix.
        request_id: What ``x-request-id`` or ``request-id`` says where the ledger knows no execution.
    """
    if error.execution is not None:
        request_id = error.execution
    body = error_body(error, dialect, request_id)
    status = mapped_status(error.status, dialect, path)
    headers = [
        (b"content-type", b"application/json"),
        (b"request-id" if dialect == "anthropic" else b"x-request-id", request_id.encode()),
    ]
    if error.execution is not None:
        headers.append((b"x-aexl-execution-id", error.execution.encode()))
    if error.receipt is not None:
        headers.append((b"x-aexl-receipt", error.receipt.encode()))
    if error.cost is not None:
        headers += cost_headers(error.cost, error.remaining)
    headers.extend(_advice(error))
    headers.extend(error.headers)
    return status, headers, body


def _advice(error: CallError) -> Headers:
    """Say whether and when asking again makes sense."""
    if error.status not in WORTH_RETRYING:
        if error.status == 401:
            return ((b"x-should-retry", b"false"), (b"www-authenticate", b"Bearer"))
        return ((b"x-should-retry", b"false"),)
    if isinstance(error, Refused) and error.retry_after is not None:
        seconds = max(error.retry_after, 0.0)
        return (
            (b"retry-after", b"%d" % max(1, math.ceil(seconds))),
            (b"retry-after-ms", b"%d" % max(1, math.ceil(seconds * 1000))),
        )
    return ()
