"""The OpenAPI document, made of the table of endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from aexl_pipelines.serving.endpoints import Endpoint
from aexl_pipelines.serving.table import ENDPOINTS, PREFIX

Document = dict[str, object]


def document(version: str) -> Document:
    """Return the document, OpenAPI 3.1.

    Args:
        version: Of aexl.
    """
    bodies = [endpoint.body for endpoint in ENDPOINTS if endpoint.body is not None]
    _, schemas = msgspec.json.schema_components(
        bodies, ref_template="#/components/schemas/{name}", schema_hook=_anything
    )
    paths: dict[str, dict[str, object]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aexl pipelines",
            "version": version,
            "description": "Sessions, turns, runs and gates of pipelines. Times are RFC 3339, money is USD.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _anything(kind: type[object]) -> Document:  # noqa: ARG001 - the library's interface; only object comes here
    return {"description": "Any JSON value."}


_ERROR: Document = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
                "problems": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}


def _operation(endpoint: Endpoint) -> Document:
    operation: Document = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"Needs a token of the scope `{endpoint.scope}`.",
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.body is not None:
        schema = {"$ref": f"#/components/schemas/{endpoint.body.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _parameters(endpoint: Endpoint) -> list[Document]:
    found: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    found += [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in endpoint.query.items()
    ]
    if endpoint.stream and "after" in endpoint.query:
        found.append({"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}})
    return found


def _responses(endpoint: Endpoint) -> Document:
    kind = "text/event-stream" if endpoint.stream else _content_type(endpoint)
    schema = {"type": "string"} if kind != "application/json" else {"type": "object"}
    good: Document = {"description": endpoint.answer}
    if endpoint.status != 204:
        good["content"] = {kind: {"schema": schema}}
    responses: Document = {str(endpoint.status): good}
    responses |= {str(status): {"description": text} for status, text in endpoint.statuses.items()}
    error: Mapping[str, object] = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {**responses, "default": {"description": "What is wrong, and what to do.", "content": error}}


def _content_type(endpoint: Endpoint) -> str:
    return "application/yaml" if endpoint.path.endswith("/materialize") else "application/json"
