"""The pipelines' part of the OpenAPI document, made of the table of endpoints."""

from __future__ import annotations

from typing import Any

from aexl.api.openapi import FAILURES, Description, Operation, Query, describe
from aexl_pipelines.serving.endpoints import Endpoint
from aexl_pipelines.serving.table import ENDPOINTS, PREFIX


def describe_endpoints() -> Description:
    """Return the part of the document that the endpoints are."""
    return describe(_operation(endpoint) for endpoint in ENDPOINTS)


def _operation(endpoint: Endpoint) -> Operation:
    query = [Query(name, endpoint.schemas.get(name, {"type": "string"}), text) for name, text in endpoint.query.items()]
    if endpoint.stream and "after" in endpoint.query:
        query.append(
            Query("Last-Event-ID", endpoint.schemas["after"], "The last record that the client has.", "header")
        )
    answers = {status for status in endpoint.statuses if status < 400} | set(endpoint.answers)
    failures = {status: text for status, text in endpoint.statuses.items() if status not in answers}
    if endpoint.method != "GET":
        failures.setdefault(409, FAILURES[409])
    return Operation(
        method=endpoint.method,
        path=PREFIX + endpoint.path,
        id=endpoint.name,
        summary=endpoint.summary,
        tag=endpoint.path.split("/")[1],
        security="agent",
        scope=endpoint.scope,
        takes=endpoint.body,
        gives=_gives(endpoint),
        kind=endpoint.kind,
        streams=endpoint.stream,
        answer=endpoint.answer,
        status=endpoint.status,
        query=query,
        statuses={status: text for status, text in endpoint.statuses.items() if status in answers},
        failures=failures,
    )


def _gives(endpoint: Endpoint) -> dict[str, Any] | None:
    return None if endpoint.stream or endpoint.kind or endpoint.status == 204 else {"type": "object"}
