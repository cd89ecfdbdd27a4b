"""The route table, and finding a route in it. Pure.

A path is a text with ``{names}``: a name stands for one segment, or for a part of one
beside literal text (``{upload}:commit``); ``{name...}`` stands for all the rest. Paths
are compared as they were sent and decoded afterwards, so that ``%2F`` is no slash.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from aexl.errors import Invalid, Refused
from aexl_plane.http.request import Reply, Request, Stream
from aexl_plane.names import Right

Handler = Callable[[Request], Awaitable[Reply | Stream]]

ANY: Final = "ANY"
"""The method of a route that answers all of them, as somebody's own handlers say."""

_NAME: Final = re.compile(r"\{([a-z0-9]+)(\.\.\.)?\}")


class Parameter(NamedTuple):
    """A parameter of the query string, or a header: its JSON Schema, and what it is for."""

    name: str
    schema: Mapping[str, object]
    summary: str
    place: Literal["query", "header"] = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing that can be asked.

    ``{workspace}``, ``{project}`` and ``{upload}`` in a path are looked up below the
    caller's tenant before the handler is called; what is somebody else's is not there.

    Attributes:
        needs: What the token must be good for; ``None`` where no token is asked for, because the URL is signed.
        summary: One sentence for the OpenAPI document; a route without one is not in it (the wire of today's
            clients, the store).
        takes: The record that a JSON body must be; ``None`` where none is read.
        gives: The record that the answer is; ``None`` where it is no JSON.
        status: Of the answer, if all is well.
        statuses: Further ones, with the same record.
        streams: The answer is an event stream where the query or ``Accept`` asks for one.
        query: The parameters of the query string, and the headers, that are read.
        kind: The media type of an answer that is no JSON.
        failures: Statuses of refusals that it may answer with besides the usual ones.
    """

    method: str
    path: str
    needs: Right | None
    answer: Handler
    summary: str = ""
    takes: type[msgspec.Struct] | None = None
    gives: type[msgspec.Struct] | None = None
    status: int = 200
    statuses: Sequence[int] = ()
    streams: bool = False
    query: Sequence[Parameter] = ()
    kind: str = ""
    failures: Sequence[int] = ()
    pattern: re.Pattern[str] = field(init=False)
    literal: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", _compile(self.path))
        object.__setattr__(self, "literal", len(_NAME.sub("", self.path)))

    @property
    def names(self) -> Sequence[str]:
        """The names in the path."""
        return tuple(self.pattern.groupindex)


def _compile(path: str) -> re.Pattern[str]:
    pieces: list[str] = []
    at = 0
    for name in _NAME.finditer(path):
        pieces += re.escape(path[at : name.start()]), f"(?P<{name[1]}>{'.+' if name[2] else '[^/]+?'})"
        at = name.end()
    return re.compile("".join(pieces) + re.escape(path[at:]))


def _reaches(path: str, depth: int) -> bool:
    """Say whether a route's path can be one with so many slashes."""
    slashes = path.count("/")
    return slashes == depth or (slashes < depth and "...}" in path)


class Routes:
    """A table of routes; the first that fits is taken.

    Where paths of several routes fit, those with the most text of their own count: what
    ``x/{name}:do`` stands for is no name of ``x/{name}``.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.all = tuple(routes)
        deepest = max((route.path.count("/") for route in self.all), default=0)
        self._at = [tuple(each for each in self.all if _reaches(each.path, depth)) for depth in range(deepest + 2)]

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the route of a request, and what stands in its path.

        Args:
            path: As it was sent.

        Raises:
            Refused: 404 or 405.
            Invalid: If the path is not UTF-8.
        """
        wanted = "GET" if method == "HEAD" else method
        near = self._at[min(path.count("/"), len(self._at) - 1)]  # most of the table has another number of segments
        fits = [(route, found) for route in near if (found := route.pattern.fullmatch(path)) is not None]
        nearest = max((route.literal for route, _ in fits if route.method != ANY), default=0)
        fits = [(route, found) for route, found in fits if route.method == ANY or route.literal == nearest]
        for route, found in fits:
            if route.method in (wanted, ANY):
                return route, {name: _decode(value) for name, value in found.groupdict().items()}
        if fits:
            raise method_not_allowed([route.method for route, _ in fits])
        raise Refused(f"there is nothing at {path[:300]}", code="not_found", status=404)


def method_not_allowed(methods: Sequence[str]) -> Refused:
    """Return the refusal of a method that a path has not."""
    allowed = ", ".join(sorted(set(methods)))
    refused = Refused(f"use {allowed} here", code="method_not_allowed", status=405)
    refused.headers = [(b"allow", allowed.encode())]
    return refused


def _decode(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"the path has something that is not UTF-8: {text[:200]}") from error
