"""Services that plugins do for each other, found by ``Host.service``.

A role is a ``Protocol`` whose methods are ``async`` and take and return values
that JSON can carry (records, strings, numbers, lists, mappings): in a command's
process the host answers ``service`` with an object that speaks to the running
server over its control socket, made from nothing but these signatures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import msgspec

from aexl.api.interfaces import Answer, Config, Process, ProcessSpec
from aexl.api.records import Call, Execution, Limits, Model, Principal, Receipt, Scope, State
from aexl.errors import Refused

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent spent in the current day or month of its time zone; nano-dollars.

    ``resets_at`` is the Unix time at which the next window begins.
    """

    period: str
    budget: int
    spent: int
    resets_at: float


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as its ledger has it; money in nano-dollars, times in Unix seconds.

    ``children`` of an agent count against its budget: what they spend and hold
    is part of ``spent`` and ``reserved`` here.
    """

    name: str
    parent: str | None
    state: State
    reason: str | None
    budget: int | None
    spent: int
    reserved: int
    windows: tuple[Window, ...]
    timezone: str
    limits: Limits
    created: float
    last_active: float | None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret."""

    id: str
    agent: str
    scope: Scope
    labels: Mapping[str, str]
    created: float
    expires: float | None


class NewAgent(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to create an agent. Budgets are nano-dollars; ``None`` is unlimited."""

    name: str
    budget: int | None
    daily: int | None = None
    monthly: int | None = None
    timezone: str = "UTC"
    parent: str | None = None
    limits: Limits = Limits()


class AgentChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to change of an agent; what is ``UNSET`` stays."""

    budget: int | msgspec.UnsetType | None = msgspec.UNSET
    daily: int | msgspec.UnsetType | None = msgspec.UNSET
    monthly: int | msgspec.UnsetType | None = msgspec.UNSET
    timezone: str | msgspec.UnsetType = msgspec.UNSET
    limits: Limits | msgspec.UnsetType = msgspec.UNSET


@runtime_checkable
class Accounts(Protocol):
    """Agents, their budgets and their tokens."""

    async def authenticate(self, token: str) -> Principal:
        """Return whose token this is. Answered from memory: does not wait.

        Raises:
            Refused: 401 if the token is malformed, unknown, revoked or expired.
        """
        ...

    async def create(self, agent: NewAgent) -> Agent:
        """Create an agent.

        Raises:
            Invalid: If the name, a budget or a limit is not acceptable.
            Conflict: If the name is taken, also by a deleted agent.
            NotFound: If the parent does not exist.
        """
        ...

    async def update(self, name: str, change: AgentChange) -> Agent:
        """Change budgets or limits; calls that run keep what they were admitted with."""
        ...

    async def topup(self, name: str, amount: int) -> Agent:
        """Add nano-dollars to the total budget."""
        ...

    async def transition(self, name: str, state: State, reason: str) -> Agent:
        """Move an agent to another state of its lifecycle.

        Raises:
            Conflict: If there is no way from its state to that one.
        """
        ...

    async def delete(self, name: str) -> None:
        """Decommission an agent, revoke its tokens and hide it; its events stay in the ledger.

        Raises:
            Conflict: If it has children or open holds.
        """
        ...

    async def get(self, name: str) -> Agent:
        """Return an agent.

        Raises:
            NotFound: If there is no agent of that name; suggests one.
        """
        ...

    async def list(self) -> Sequence[Agent]:
        """Return all agents that are not deleted, by name."""
        ...

    async def mint(self, agent: str, scope: Scope, labels: Mapping[str, str], ttl: float | None) -> str:
        """Return a new token, ``aexl_<id>_<secret>``; it is shown once and kept only as a hash."""
        ...

    async def rotate(self, agent: str, ttl: float | None) -> str:
        """Revoke all tokens of an agent and return a new one of scope ``execute``."""
        ...

    async def revoke(self, token_id: str) -> None:
        """End a token at once."""
        ...

    async def tokens(self, agent: str) -> Sequence[Token]:
        """Return the live tokens of an agent."""
        ...


@runtime_checkable
class Executions(Protocol):
    """What the ledger knows of calls."""

    async def get(self, execution: str, agent: str | None) -> Execution:
        """Return one execution; with ``agent``, only if it is that agent's.

        Raises:
            NotFound: If there is none.
        """
        ...

    async def recent(self, agent: str | None, limit: int) -> Sequence[Execution]:
        """Return the latest executions, newest first; ``limit`` is at most 1,000."""
        ...

    async def owner(self, upstream_id: str) -> Execution | None:
        """Return the execution whose answer the provider knows by this id."""
        ...

    async def correct(self, execution: str, cost: int, reason: str) -> Receipt:
        """Book what an invoice says, as a new event.

        Raises:
            Conflict: If the execution has not been settled.
        """
        ...


@runtime_checkable
class Journal(Protocol):
    """The ledger, for events that are not about money."""

    async def append(self, kind: str, subject: str, data: Mapping[str, str | int]) -> Receipt:
        """Append an event; returns when it is durable."""
        ...

    async def read(self, after: int, limit: int) -> Sequence[Mapping[str, object]]:
        """Return events with a sequence number above ``after``; ``limit`` is at most 1,000."""
        ...


@runtime_checkable
class Models(Protocol):
    """The names that callers may use."""

    async def list(self) -> Sequence[Model]:
        """Return every configured model, by name."""
        ...


@runtime_checkable
class Control(Protocol):
    """The server itself; played by the host."""

    async def reload(self) -> str:
        """Read the configuration again; return its digest.

        Raises:
            ConfigError: If it cannot be used; the old one stays in force.
        """
        ...

    async def status(self) -> Mapping[str, object]:
        """Return what the server is and does: version, pid, address, uptime in seconds, plugins, calls in flight."""
        ...

    async def metrics(self) -> str:
        """Return the numbers of ``/metrics`` in Prometheus' text format."""
        ...

    async def health(self) -> Mapping[str, str]:
        """Return what each health check says: ``ok`` or what is wrong."""
        ...

    async def stop(self) -> None:
        """Begin to drain, as SIGTERM does."""
        ...


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """How to talk to a provider's server. Seconds, bytes.

    Attributes:
        private: Addresses of loopback, private and link-local ranges are allowed; refused otherwise.
        connect: For resolving, connecting and TLS together.
        first_byte: From the end of the request to the answer's head.
        idle: Between two pieces of the answer.
        total: For the whole exchange.
        connections: At most this many at a time to one origin; further calls wait for one.
        http2: Use HTTP/2, through httpx's own transport.
        trust_env: Honour ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``, through httpx's own transport.
    """

    private: bool = False
    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 300.0
    total: float = 3600.0
    connections: int = 1000
    http2: bool = False
    trust_env: bool = True


@runtime_checkable
class Host(Protocol):
    """The host, as plugins see it.

    ``version``, ``data_dir``, ``current`` and ``transport`` may be used in every hook. The rest may be used from ``aexl_lifespan``'s context onwards, when all
    plugins have answered. In a command's process the same members speak to the
    server over its control socket, where one runs.
    """

    @property
    def version(self) -> str:
        """Aexl's version."""
        ...

    @property
    def data_dir(self) -> Path:
        """``AEXL_HOME``: where plugins keep their files."""
        ...

    @property
    def current(self) -> Config:
        """The configuration in force now."""
        ...

    def service(self, role: type[T]) -> T | None:
        """Return who plays a role, if anyone does."""
        ...

    def call(self, call: Call) -> AbstractAsyncContextManager[Answer]:
        """Run a call: plan, gates, book, provider, book.

        The call runs in the host's nursery: leaving the context early drains or
        cancels the upstream by policy, and it is settled all the same.

        Raises:
            Refused: If a gate or the book says no.
            ProviderFailed: If no target answered.
        """
        ...

    def spawn(self, spec: ProcessSpec) -> AbstractAsyncContextManager[Process]:
        """Run a program; leaving the context ends its whole tree."""
        ...

    def transport(self, upstream: Upstream) -> httpx.AsyncBaseTransport:
        """Return a transport with a pool of its own; closed when the host stops. Must not wait."""
        ...

    def interrupt(self, agent: str, verdict: Refused) -> int:
        """End the running calls of an agent with a verdict; return how many. Must not wait.

        Their streams raise ``verdict``; what they cost is settled as always.
        """
        ...

    def publish(self, event: object) -> None:
        """Tell the subscribers. Never waits."""
        ...


@runtime_checkable
class Session(Protocol):
    """What a command gets as ``typer.Context.obj``: the way to the host, and to the person.

    ``run`` finds the running server by its control socket, or, where none runs,
    takes the home's lock and starts the plugins for this one operation.
    """

    @property
    def home(self) -> Path:
        """``AEXL_HOME``."""
        ...

    @property
    def config(self) -> Config:
        """The configuration, read from the files. Does not need a server.

        Raises:
            ConfigError: If a value is wrong.
        """
        ...

    def run(self, work: Callable[[Host], Awaitable[T]]) -> T:
        """Run ``work`` with a host, in a trio loop of its own, and return what it returns."""
        ...

    def running(self) -> Mapping[str, object] | None:
        """Return ``Control.status`` of the server that runs beside us, or ``None``."""
        ...

    def ensure_server(self) -> str:
        """Make sure that a server runs, starting a daemon where none does; return its base URL.

        Raises:
            Unavailable: If it does not become ready; says why.
        """
        ...

    def edit_config(self, change: Callable[[MutableMapping[str, Any]], None]) -> None:
        """Change the home's ``aexl.toml``, comments kept; the file is replaced at once or not at all.

        Args:
            change: Gets the document, a tomlkit one, and changes it in place.

        Raises:
            ConfigError: If the configuration would be wrong afterwards; nothing has changed.
        """
        ...

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table for people; columns of numbers (named with a leading ``>``) stand right."""
        ...

    def json(self, value: object) -> None:
        """Print one value as JSON, for programs."""
        ...
