"""What an endpoint is: the router, the OpenAPI document and the tests are made of these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import msgspec

from aexl.api import ASGIReceive, ASGIScope, ASGISend, Principal
from aexl.errors import Invalid, Refused
from aexl_pipelines.governing.names import run_of
from aexl_pipelines.serving.jobs import Station

LARGEST_BODY: Final = 4 << 20
"""Bytes of a request's body."""


class Sendable(Protocol):
    """An answer: an ASGI application of one request."""

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Send it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, authenticated and read.

    Attributes:
        path: The path's parameters.
        body: An instance of the endpoint's ``body``.
        last_event: What ``Last-Event-ID`` says.
    """

    station: Station
    principal: Principal
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: object = None
    last_event: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether all agents' runs may be seen."""
        return self.principal.scope == "admin"

    def number(self, name: str, usual: int, least: int, most: int) -> int:
        """Return a whole number of the query.

        Raises:
            Invalid: If it is none, or out of range.
        """
        text = self.query.get(name)
        if text is None:
            return usual
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
            raise Invalid(f"{name} must be a whole number from {least} to {most}, not {text[:20]!r}")
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path.

    Attributes:
        scope: The least that the token must have.
        answer: What comes back, in words; with ``stream`` as server-sent events.
        query: Parameters of the query string, with what they mean.
        schemas: The JSON Schemas of those that are more than a text.
        kind: The answer's media type, if it is no JSON.
        statuses: Further statuses that an answer may have, with what they mean.
        answers: Those of them above 399 whose answer has the endpoint's own shape, and not that of an error.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    scope: Literal["read", "execute"]
    summary: str
    handler: Callable[[Ask], Awaitable[Sendable]]
    answer: str
    status: int = 200
    body: type[msgspec.Struct] | None = None
    stream: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    kind: str = ""
    statuses: Mapping[int, str] = field(default_factory=dict)
    answers: tuple[int, ...] = ()


def check_scope(principal: Principal, endpoint: Endpoint) -> None:
    """Refuse a token that may not do this.

    A token of a pipeline's step may read: what it may *do* is for the person, or the program, that runs the
    pipeline. So no agent answers the gates that it is held by.

    Raises:
        Refused: 403.
    """
    if endpoint.scope == "read":
        return
    if principal.scope == "read":
        text = "this token may read; the request needs one that may execute"
        raise Refused(text, code="read_only_token", status=403)
    if run_of(principal.agent) is not None or "step" in principal.labels:
        text = "the token of a pipeline's step starts no pipelines and answers no gates; use the agent's own"
        raise Refused(text, code="step_token", status=403)
