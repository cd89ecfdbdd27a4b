"""What a plugin says of its routes: its part of the document at ``/api/v1/openapi.json``. Pure.

A plugin that has a table of routes makes ``Operation`` records of it, and gives
``describe(operations)`` as ``Mount.describe``; the host puts the parts of all plugins
together. Shapes are msgspec structs: what reads a request is what describes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

Security = Literal["agent", "project"]
"""Whose token an operation takes: an agent's, or one of a user or service of projects."""

SCHEMES: Final[Mapping[Security, Mapping[str, Mapping[str, str]]]] = {
    "agent": {
        "agent": {"type": "http", "scheme": "bearer", "description": "An agent's token: `aexl agent token`."},
        "agentKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same."},
    },
    "project": {
        "project": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of a user or a service of projects: `aexl auth token create`.",
        },
        "projectKey": {"type": "apiKey", "in": "header", "name": "X-API-Token", "description": "The same."},
    },
}
"""``securitySchemes`` by whose tokens they take."""

ERROR: Final = "Error"
"""The schema of every answer that says what is wrong."""

FAILURES: Final[Mapping[int, str]] = {
    400: "The request is not acceptable; the message says what to change.",
    401: "No token came with it, or none that is good.",
    402: "A budget does not suffice.",
    403: "The token, or a policy, does not allow it.",
    404: "What the path names does not exist, or is somebody else's.",
    405: "The path has no such method; `Allow` lists what it has.",
    408: "The request came too slowly.",
    409: "What is there, or has happened meanwhile, stands against it.",
    410: "It was there, and is kept no longer.",
    411: "The body's length is missing.",
    413: "The body is too large.",
    415: "The body's type is not understood.",
    422: "What was sent is sound, and cannot be used.",
    423: "The agent is not ready.",
    429: "Too much at a time; `Retry-After` says when there is room.",
    501: "Nothing here can do it.",
    502: "A server that was asked for it has failed.",
    503: "It cannot be had now; asking again later makes sense.",
    504: "A server that was asked for it took too long.",
}
"""What a status means where an operation does not say it better."""

USUAL: Final = (400, 401, 403, 404, 405, 429, 503)
"""Statuses that every operation may answer with."""

_NAME: Final = re.compile(r"\{([A-Za-z0-9_]+)(?:\.\.\.)?\}")


class Query(NamedTuple):
    """A parameter that is read of the query string, or of a header."""

    name: str
    schema: Mapping[str, object]
    summary: str = ""
    place: Literal["query", "header"] = "query"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    Attributes:
        path: Of the whole URL; ``{name}`` is a segment or a part of one, ``{name...}`` all the rest.
        id: Unique in the whole document.
        tag: The group that it is shown in.
        security: Whose token it takes; ``None`` for nobody's.
        scope: What the token must be good for.
        takes: The record that a JSON body must be; ``None`` where none is read.
        gives: The record that the answer is, or another JSON Schema; ``None`` where it is no JSON.
        kind: The answer's media type where it is no JSON; empty for an answer without a body.
        streams: The answer may also be an event stream, where the client accepts one.
        parts: JSON Schemas of names in the path that are more than a text.
        statuses: Further statuses that are no failures.
        failures: Further statuses that carry an error, beside ``USUAL``; 413 where a body is read.
    """

    method: str
    path: str
    id: str
    summary: str
    tag: str
    security: Security | None
    scope: str = ""
    description: str = ""
    takes: Any = None
    gives: Any = None
    kind: str = ""
    streams: bool = False
    answer: str = ""
    status: int = 200
    parts: Mapping[str, Mapping[str, object]] = {}
    query: Sequence[Query] = ()
    statuses: Mapping[int, str] = {}
    failures: Mapping[int, str] = {}


class Description(NamedTuple):
    """A part of the document: ``paths``, and ``components.schemas`` with all that they refer to."""

    paths: Mapping[str, Mapping[str, Mapping[str, Any]]]
    schemas: Mapping[str, Mapping[str, Any]]


class ErrorDetail(msgspec.Struct, frozen=True):
    """What is wrong, and what to do.

    Attributes:
        code: Stable.
        param: The field that is at fault, where there is one.
        problems: Each one, where there are several.
    """

    message: str
    type: str
    code: str
    param: str | None = None
    problems: list[dict[str, Any]] = []


class Error(msgspec.Struct, frozen=True):
    """An answer that says what is wrong."""

    error: ErrorDetail


def describe(operations: Iterable[Operation]) -> Description:
    """Return the part of the document that these operations are."""
    table = tuple(operations)
    shapes = {id(shape): shape for each in table for shape in (each.takes, each.gives) if _is_record(shape)}
    kinds: list[Any] = [*shapes.values(), Error]
    references, schemas = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}", schema_hook=_anything
    )
    known = {id(kind): reference for kind, reference in zip(kinds, references, strict=True)}
    paths: dict[str, dict[str, Mapping[str, Any]]] = {}
    for each in table:
        path = _NAME.sub(r"{\1}", each.path)
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, known)
    return Description(paths, schemas)


def _is_empty_enough(shape: Any) -> bool:
    """Say whether a body of this shape may be left out: an empty object would do."""
    try:
        msgspec.convert({}, shape)
    except msgspec.ValidationError:
        return False
    return True


def _is_record(shape: object) -> bool:
    return shape is not None and not isinstance(shape, Mapping)


def _anything(kind: type[object]) -> dict[str, Any]:  # noqa: ARG001 - the library's interface; only raw values come here
    return {"description": "Any JSON value."}


def _operation(each: Operation, known: Mapping[int, Any]) -> Mapping[str, Any]:
    said: dict[str, Any] = {
        "operationId": each.id,
        "summary": each.summary,
        "tags": [each.tag],
        "parameters": _parameters(each),
        "responses": _responses(each, known),
        "security": [] if each.security is None else [{name: []} for name in SCHEMES[each.security]],
    }
    words = [each.description, f"Needs a token of the scope `{each.scope}`." if each.scope else ""]
    if any(words):
        said["description"] = " ".join(word for word in words if word)
    if each.takes is not None:
        schema = known[id(each.takes)]
        content = {"application/json": {"schema": schema}}
        said["requestBody"] = {"required": not _is_empty_enough(each.takes), "content": content}
    return said


def _parameters(each: Operation) -> list[dict[str, Any]]:
    usual = {"type": "string", "minLength": 1}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": dict(each.parts.get(name, usual))}
        for name in _NAME.findall(each.path)
    ]
    for query in each.query:
        shown = {"name": query.name, "in": query.place, "required": False, "schema": dict(query.schema)}
        found.append({**shown, "description": query.summary} if query.summary else shown)
    return found


def _responses(each: Operation, known: Mapping[int, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": each.answer or "What was asked for."}
    if each.gives is not None:
        schema = known[id(each.gives)] if _is_record(each.gives) else dict(each.gives)
        good["content"] = {"application/json": {"schema": schema}}
    elif each.kind:
        good["content"] = {each.kind: {}}
    if each.streams:
        good.setdefault("content", {})["text/event-stream"] = {}
    found: dict[str, Any] = {str(each.status): good}
    for status, text in each.statuses.items():
        same = {"content": good["content"]} if "content" in good and status != 204 else {}
        found[str(status)] = {"description": text, **same}
    failures = {status: FAILURES[status] for status in USUAL}
    if each.takes is not None:
        failures[413] = FAILURES[413]
    error = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ERROR}"}}}
    for status, text in sorted({**failures, **each.failures}.items()):
        found[str(status)] = {"description": text or FAILURES[status], "content": error}
    return found
