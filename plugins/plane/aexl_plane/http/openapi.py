"""The plane's part of the OpenAPI document, made of the route table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from aexl.api.openapi import FAILURES, Description, Operation, Query, describe
from aexl_plane.http.manage import API, PROJECT_API
from aexl_plane.http.routing import Route
from aexl_plane.names import SLUG

PARTS: Final = {"environment": {"type": "string", "pattern": SLUG}}
"""Names in paths that are more than a text."""

_NAME: Final = re.compile(r"\{([a-z0-9]+)(?:\.\.\.)?\}")


def describe_routes(routes: Iterable[Route]) -> Description:
    """Return the part of the document that these routes are; those without a summary are not in it."""
    return describe(_operation(route) for route in routes if route.summary)


def operation_id(route: Route) -> str:
    """Return a name made of method and path, as ``postProjectSnapshotsBySnapshotRestore``."""
    inside = route.path.removeprefix(PROJECT_API)
    below = route.path.removeprefix(API) if inside == route.path else f"/project{inside}"
    words: list[str] = []
    for piece in re.split(r"[/:]", below):
        name = _NAME.fullmatch(piece)
        if piece:
            words.append(f"by-{name[1]}" if name else piece)
    return route.method.lower() + "".join(part.capitalize() for word in words for part in re.split("[-_.]", word))


def _operation(route: Route) -> Operation:
    below = route.path.removeprefix(PROJECT_API).removeprefix(API)
    tag = next((piece for piece in re.split(r"[/:]", below) if piece and "{" not in piece), "projects")
    changes = route.method != "GET"
    failures = (*((409,) if changes else ()), *route.failures)
    return Operation(
        method=route.method,
        path=route.path,
        id=operation_id(route),
        summary=route.summary,
        tag=tag,
        security=None if route.needs is None else "project",
        scope=route.needs or "",
        takes=route.takes,
        gives=route.gives,
        kind=route.kind,
        parts=PARTS,
        streams=route.streams,
        status=route.status,
        statuses=dict.fromkeys(route.statuses, "It goes on; the answer says where to look."),
        query=[Query(each.name, each.schema, each.summary, each.place) for each in route.query],
        failures={status: FAILURES[status] for status in failures},
    )
