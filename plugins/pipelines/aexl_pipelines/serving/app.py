"""The ASGI application: from a request to its endpoint, and from errors to answers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import aclosing

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aexl.api import ASGIApp, Principal
from aexl.api.urls import read_query
from aexl.errors import AexlError, Invalid, Refused
from aexl_pipelines.serving.answering import error_answer
from aexl_pipelines.serving.endpoints import LARGEST_BODY, Ask, Endpoint, Sendable, check_scope
from aexl_pipelines.serving.jobs import Station
from aexl_pipelines.serving.table import ENDPOINTS, PREFIX


def make_app(station: Station) -> ASGIApp:
    """Return the application that serves all endpoints."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method] = endpoint
    routes = [
        Route(path, functools.partial(_serve, station, found), methods=list(found)) for path, found in paths.items()
    ]
    return Starlette(routes=routes, exception_handlers={404: _no_such_path, 405: _no_such_method})


async def _serve(station: Station, endpoints: Mapping[str, Endpoint], request: Request) -> Sendable:
    endpoint = endpoints["GET" if request.method == "HEAD" else request.method]
    principal: Principal = request.scope["state"]["principal"]
    try:
        if request.method == "HEAD" and endpoint.stream:
            raise Refused("a stream has no end to measure; use GET", code="method_not_allowed", status=405)
        check_scope(principal, endpoint)
        ask = Ask(
            station=station,
            principal=principal,
            path=request.path_params,
            query=read_query(request.scope["query_string"]),
            body=await _read_body(request, endpoint),
            last_event=request.headers.get("last-event-id"),
        )
        return await endpoint.handler(ask)
    except AexlError as error:
        return error_answer(error)


async def _read_body(request: Request, endpoint: Endpoint) -> object:
    """Return the request's body as the endpoint wants it.

    Raises:
        Refused: If it is too large.
        Invalid: If it is no JSON, or says something that it must not say; names it.
    """
    if endpoint.body is None:
        return None
    data = bytearray()
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            data += piece
            if len(data) > LARGEST_BODY:
                text = f"the body has more than {LARGEST_BODY} bytes"
                raise Refused(text, code="body_too_large", status=413)
    try:
        return msgspec.json.decode(bytes(data) or b"{}", type=endpoint.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"the body cannot be used: {error}") from error


async def _no_such_path(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the library's interface
    return error_answer(Refused(f"there is nothing at {request.url.path}", code="not_found", status=404))


async def _no_such_method(request: Request, error: Exception) -> Response:
    answer = error_answer(Refused(f"{request.method} means nothing here", code="method_not_allowed", status=405))
    headers = getattr(error, "headers", None) or {}
    answer.headers["allow"] = headers.get("Allow", "GET")
    return answer
