"""What a plugin offers beside the call path: routes, commands, tables, roles, and what is watched.

The host asks for these once, at start-up; the functions in them are called from
tasks of the loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from aexl.api.records import Headers
from aexl.errors import Refused

if TYPE_CHECKING:
    import typer

    from aexl.api.openapi import Description

T_co = TypeVar("T_co", covariant=True)

# ASGI's own types are open dictionaries; asgiref has no stricter ones to offer.
ASGIScope = MutableMapping[str, Any]
ASGIReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
ASGISend = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[ASGIScope, ASGIReceive, ASGISend], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """An ASGI application and the path prefix under which the host serves it.

    Any ASGI 3 application that runs on trio will do: a bare callable on a hot
    path, a Starlette or FastAPI application elsewhere. The longest matching
    prefix wins; a prefix matches whole path segments. The host authenticates
    before the application is called and puts the ``Principal`` into
    ``scope["state"]["principal"]``.

    Attributes:
        auth: The scope that a token needs, or ``none``.
        refuse: Writes a refusal (a wrong token, say) in the application's own
            dialect: takes the request's path and method, returns status, headers and body.
        query_key: A parameter of the query string in which a client may send its token;
            the application never sees it there.
        describe: Returns this mount's part of the document at ``/api/v1/openapi.json``, made with
            ``aexl.api.openapi``. Called when the document is first asked for; of mounts with the same one, once.
    """

    path: str
    app: ASGIApp
    auth: Literal["none", "read", "execute", "admin"]
    refuse: Callable[[Refused, str, str], tuple[int, Headers, bytes]] | None = None
    query_key: str | None = None
    describe: Callable[[], Description] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One subcommand of ``aexl``.

    ``load`` imports what the command needs and returns its Typer app (with one
    callback-less command, the app is that command). It runs only when the
    command is used, so that ``aexl --help`` stays quick. Commands get a
    ``Session`` as ``typer.Context.obj``.
    """

    name: str
    summary: str
    load: Callable[[], typer.Typer]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSection:
    """The plugin's own table in ``aexl.toml``.

    Attributes:
        model: A frozen msgspec struct or dataclass whose every field has a
            default; keyed sections may have required fields. A field of type
            ``dict[str, object]`` takes anything.
        keyed: The section is a table of tables (``[models.<name>]``), read as a mapping.
        project: A project's own file may set it: never for what decides where
            money or keys go, because that file comes with a clone.
        open: Keys that the model does not have are kept for others (``[providers.<name>]``
            belongs to the provider types); the model needs a field ``options: dict[str, object]``.
        restart: Its values count from the next start of the server; a reload does not change what runs.
        variable: In a keyed section: the key whose value is the name of an environment variable that holds a
            secret. Programs under ``aexl run`` do not get that variable.
    """

    table: str
    model: type[object]
    keyed: bool = False
    project: bool = False
    open: bool = False
    restart: bool = False
    variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Generic[T_co]):
    """An object that plays one of the roles of ``aexl.api.roles`` for other plugins."""

    role: type[T_co]
    instance: T_co


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """Something ``/ready`` asks.

    Attributes:
        probe: Returns a sentence when something is wrong.
        timeout: Seconds; a check that takes longer has failed.
        critical: One that fails makes ``/ready`` a 503.
    """

    name: str
    probe: Callable[[], Awaitable[str | None]]
    timeout: float = 2.0
    critical: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number for ``/metrics``; a histogram's have ``suffix`` ``_bucket``, ``_sum`` or ``_count``."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


Collector = Callable[[], Iterable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """Someone who hears of events, in a task of its own.

    Publishing never waits: when ``buffer`` events are unread, further ones are
    dropped and counted. What must not be lost belongs into the ledger.

    Attributes:
        wants: Asked before an event is put into the buffer, so that a subscriber
            that nobody listens to at the moment costs nothing. Must not wait.
    """

    name: str
    events: tuple[type[object], ...]
    handle: Callable[[object], Awaitable[None]]
    buffer: int = 256
    wants: Callable[[], bool] = lambda: True
