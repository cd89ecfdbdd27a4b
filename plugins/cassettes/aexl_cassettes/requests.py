"""What was asked, as it is written down. Pure.

Keys are redacted before anything else happens, so that no file, comparison or
message of this plugin has one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from aexl.api import Call, Target
from aexl.api.form import Form
from aexl_cassettes.redaction import redact_headers, redact_json, redact_query

VOLATILE_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "baggage",
        "connection",
        "content-length",
        "date",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "sentry-trace",
        "te",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-app",
        "x-client-request-id",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    }
)
"""Headers that say when, by whom or over which connection: not written down."""

DEEPEST: Final = 100
"""Levels of JSON below which a body is compared as the text that it is; no API has nearly as many."""

VOLATILE_PREFIXES: Final = ("x-stainless-", "x-aexl-", "x-codex-", "x-claude-code-")


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file in a form: what it was, not what was in it."""

    field: str
    size: int
    sha256: str


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request as the provider was asked it, without keys.

    Attributes:
        model: The provider's name for the model.
        headers: The caller's, without the volatile ones.
        body: The JSON body with the provider's name for the model, or a form's fields of text; ``None`` without a body.
            What JSON here cannot hold exactly stands as one text.
        files: The files of a form.
    """

    provider: str
    surface: str
    method: str
    path: str
    model: str
    query: str = ""
    headers: list[tuple[str, str]] = []
    body: object = None
    files: list[File] = []

    @property
    def line(self) -> str:
        """The request line."""
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


def describe(call: Call, target: Target) -> Request:
    """Return what a call asks of a target.

    The output limit that a budget or the plan sets is left out: it depends on what the agent has spent.
    """
    known = call.provider_key
    headers = redact_headers(call.headers, known)
    return Request(
        provider=target.provider,
        surface=call.surface,
        method=call.method,
        path=call.path,
        model=target.model,
        query=redact_query(call.query, known),
        headers=[header for header in headers if not is_volatile(header[0])],
        body=redact_json(_body(call, target), known),
        files=list(_files(call)),
    )


def is_volatile(header: str) -> bool:
    """Say whether a header, named in lower case, is left out."""
    return header in VOLATILE_HEADERS or header.startswith(VOLATILE_PREFIXES)


def _body(call: Call, target: Target) -> object:
    if not call.body.data:
        return None
    if isinstance(call.body, Form):
        read: dict[str, object] = msgspec.json.decode(call.body.as_json())
        return {**read, "model": target.model} if "model" in read else read
    data = call.body.encode({"model": target.model} if "model" in call.body else None)
    try:
        value: object = msgspec.json.decode(data)
        msgspec.json.encode(value)
    except (msgspec.MsgspecError, OverflowError, RecursionError):  # a number out of range, say
        return data.decode()
    return data.decode() if _is_deep(value) else value


def _is_deep(value: object) -> bool:
    """Say whether a value is nested deeper than what follows should have to descend."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _files(call: Call) -> Iterable[File]:
    if isinstance(call.body, Form):
        data = call.body.data
        for part in call.body.parts:
            if part.is_file:
                content = data[part.start : part.end]
                yield File(field=part.name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
