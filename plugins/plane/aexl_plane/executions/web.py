"""Requests of the web as handlers of kind ``http`` are asked, and their results as answers. Pure.

What a handler answers is somebody's own code speaking from this server's address, so an
answer's headers are those of a short list, and it is always marked as what it is: content
that no browser may take for another type, or run as a page of this server.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from aexl.errors import Invalid, Refused
from aexl.sdk.registry import Handler, HttpHandler
from aexl.sdk.routes import find_route
from aexl_plane.executions.asked import HttpAsked

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""What handlers can be declared for."""

STATUS_KEYS: Final = ("http_status", "status_code", "statusCode")
"""Where a result says its status, as the runtime reads it."""

WITHHELD: Final = frozenset(
    {
        *("authorization", "proxy-authorization", "x-api-token", "x-api-key", "x-goog-api-key", "cookie"),
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "expect"),
    }
)
"""Headers that a handler does not see: what proves who asks, and what belongs to the connection."""

GIVEN: Final = frozenset(
    {
        *("content-type", "content-language", "content-disposition", "cache-control", "etag", "last-modified"),
        *("expires", "location", "vary", "retry-after", "link", "allow"),
    }
)
"""Headers that a handler may give; beside them those that begin with ``x-``, but for ``x-aexl-``."""

MARKS: Final = ((b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox"))
"""What every answer of a handler has."""

_LONGEST: Final = 8192
"""Characters of a header's value."""

_HEADERS: Final = 64
"""Headers that a handler may give."""

_FIELDS: Final = 1000
"""Fields of a form, and of a query."""


class WebAnswer(NamedTuple):
    """Status, headers and body."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Site:
    """The HTTP handlers of one snapshot.

    Args:
        described: What the snapshot declares.
    """

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._handlers = [
            HttpHandler(each["method"], each["path"], Handler("http", each["path"], _nothing))
            for each in described.get("http_handlers", ())
        ]

    def find(self, method: str, path: str) -> str:
        """Return the name of the handler that answers: ``METHOD /path``, as it was declared.

        Args:
            method: ``HEAD`` is answered as ``GET``.
            path: As ``clean_path`` returns it.

        Raises:
            Refused: 404, or 405 with what is allowed.
        """
        found = find_route(self._handlers, "GET" if method == "HEAD" else method, path)
        if found is not None:
            return f"{found[0].method} {found[0].path}"
        allowed = self.allowed(path)
        if not allowed:
            raise Refused(f"the project has no HTTP handler for {path[:300]}", code="not_found", status=404)
        refused = Refused(f"use {', '.join(allowed)} here", code="method_not_allowed", status=405)
        refused.headers = [(b"allow", ", ".join(allowed).encode())]
        raise refused

    def allowed(self, path: str) -> Sequence[str]:
        """Return the methods that a path has; none where nothing answers it."""
        found = [method for method in METHODS if find_route(self._handlers, method, path) is not None]
        if not found:
            return ()
        return [*found, *(["HEAD"] if "GET" in found else []), "OPTIONS"]


def _nothing() -> None:
    """Stand for a handler's function, which is not here."""


def clean_path(sent: str) -> str:
    """Return a path as handlers are found by it: decoded, but for ``%2F`` and ``%25``, which stay inside of a segment.

    Args:
        sent: As it was sent, from the slash behind the environment on; empty for the root.

    Raises:
        Invalid: If it is not UTF-8.
    """
    try:
        parts = [unquote_to_bytes(part).decode() for part in sent.split("/")]
    except UnicodeDecodeError as error:
        raise Invalid(f"the path has something that is not UTF-8: {sent[:200]}") from error
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts) or "/"


def ask_for(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> HttpAsked:
    """Return what a handler is asked.

    Raises:
        Invalid: If the body is not what its type says.
    """
    return HttpAsked(
        method="GET" if method == "HEAD" else method,  # type: ignore[arg-type]  # there is a handler for it
        path=path,
        query=read_fields(query, "query"),
        headers={name: value for name, value in headers.items() if name not in WITHHELD},
        body=read_body(headers.get("content-type", ""), body),
    )


def read_fields(text: str, what: str) -> dict[str, Any]:
    """Return the fields of a query or a form; one that stands there several times has a list.

    Raises:
        Invalid: If there are too many, or they are not UTF-8.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError as error:
        raise Invalid(f"the {what} is not acceptable: {error}") from error
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def read_body(content_type: str, data: bytes) -> Any:
    """Return a body as a handler gets it.

    JSON is what it says; a form is an object of its fields; text is a text; of everything
    else ``content_type`` and ``base64``. No body is an empty object.

    Raises:
        Invalid: If it is not what its type says.
    """
    if not data:
        return {}
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/json", "") or kind.endswith("+json"):
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if not kind:
                return _in_base64(content_type, data)
            raise Invalid(f"the body is not JSON: {error}") from error
    if kind == "application/x-www-form-urlencoded":
        return read_fields(_text(data, "form"), "form")
    if kind.startswith("text/"):
        return _text(data, "body")
    return _in_base64(content_type, data)


def _in_base64(content_type: str, data: bytes) -> Mapping[str, str]:
    return {"content_type": content_type or "application/octet-stream", "base64": base64.b64encode(data).decode()}


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"the {what} is not UTF-8: {error}") from error


def answer_of(status: int, result: Any) -> WebAnswer:
    """Return a result as an answer.

    An object that names its status and has a ``body`` is an answer with that body and its
    ``headers``: a text is sent as it is (of ``base64: true`` what it stands for), nothing
    as nothing, and all else as JSON. Every other result is a body of JSON itself.

    Args:
        status: What the result names, 200 if nothing.

    Raises:
        Invalid: If the status, the headers or the body cannot be sent.
    """
    if not 200 <= status <= 599:
        raise Invalid(f"status {status} is no end of a request; use 200 to 599")
    if not (isinstance(result, dict) and "body" in result and any(key in result for key in STATUS_KEYS)):
        return WebAnswer(status, _headers({}, b"application/json"), msgspec.json.encode(result))
    body, given = result["body"], result.get("headers")
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise Invalid("headers of an answer are an object of texts")
    if isinstance(body, str):
        data, kind = _sent(body, encoded=result.get("base64") is True), b"text/plain; charset=utf-8"
        if result.get("base64") is True:
            kind = b"application/octet-stream"
    elif body is None:
        data, kind = b"", b""
    else:
        data, kind = msgspec.json.encode(body), b"application/json"
    return WebAnswer(status, _headers(given, kind), data if status not in (204, 304) else b"")


def _sent(text: str, *, encoded: bool) -> bytes:
    if not encoded:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("the body of an answer is not base64, and base64 says it is") from error


def _headers(given: Mapping[str, Any], content_type: bytes) -> Sequence[tuple[bytes, bytes]]:
    found: dict[bytes, bytes] = {}
    for name, value in given.items():
        kept = name.lower()
        if kept in GIVEN or (kept.startswith("x-") and not kept.startswith("x-aexl-")):
            found[kept.encode()] = _value(name, value)
    if len(found) > _HEADERS:
        raise Invalid(f"an answer has {_HEADERS} headers at most, not {len(found)}")
    if content_type:
        found.setdefault(b"content-type", content_type)
    found.setdefault(b"cache-control", b"no-store")
    found.update(MARKS)
    return tuple(found.items())


def _value(name: str, value: Any) -> bytes:
    text = str(value)
    plain = (
        type(value) in (str, int)
        and text.isascii()
        and text.isprintable()
        and len(text) <= _LONGEST
        and text == text.strip()
    )
    if not plain or not name.isascii() or not all(part.isalnum() or part in "-_" for part in name):
        raise Invalid(f"header {name[:80]!r} of an answer must be a line of printable ASCII")
    return text.encode()
