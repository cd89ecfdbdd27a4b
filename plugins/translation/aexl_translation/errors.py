"""Errors of providers: what kind they are, in each dialect's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aexl_translation.answer import Failure

_OPENAI: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
_ANTHROPIC: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GEMINI: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_IN_STREAM: Final[Mapping[str, int]] = {
    "overloaded_error": 503,
    "UNAVAILABLE": 503,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "RESOURCE_EXHAUSTED": 429,
    "invalid_request_error": 400,
    "INVALID_ARGUMENT": 400,
    "timeout_error": 504,
}
_SPENT: Final = frozenset({"insufficient_quota", "billing_error", "credit_balance_exhausted"})


def client_status(status: int) -> int:
    """Return the status for a client of another dialect: Anthropic's own 529 is a 503 elsewhere."""
    return 503 if status == 529 else status


def status_of(failure: Failure) -> int:
    """Return the status that an error in the middle of a stream would have had at its beginning."""
    return _IN_STREAM.get(failure.code) or _IN_STREAM.get(failure.kind) or 500


def is_spent(failure: Failure) -> bool:
    """Say whether the provider refuses because its account is empty, so that asking again is no use."""
    return failure.kind in _SPENT or failure.code in _SPENT


def openai_kind(status: int, failure: Failure) -> str:
    """Return ``type`` of OpenAI's errors."""
    if is_spent(failure):
        return "insufficient_quota"
    return _OPENAI.get(status) or ("server_error" if status >= 500 else "invalid_request_error")


def anthropic_kind(status: int, failure: Failure) -> str:
    """Return ``type`` of Anthropic's errors."""
    if is_spent(failure):
        return "billing_error"
    return _ANTHROPIC.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


def gemini_kind(status: int) -> str:
    """Return ``status`` of Gemini's errors."""
    return _GEMINI.get(status) or ("INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
