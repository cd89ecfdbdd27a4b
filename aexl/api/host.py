"""The host as plugins see it, and as commands reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from aexl.api.calls import Answer, Config
from aexl.api.records import Call, Headers
from aexl.api.work import BlobStore, Process, ProcessSpec, Runner, StepType
from aexl.errors import Refused

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
R = TypeVar("R")


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


class Arriving(NamedTuple):
    """An answer whose head has come: names of headers in lower case, in the order received, the body as it is sent.

    Whoever got it reads ``stream`` to its end, or closes it.
    """

    status: int
    headers: Headers
    stream: httpx.AsyncByteStream


@runtime_checkable
class Direct(Protocol):
    """What ``Host.transport`` can do besides: an exchange without making httpx's objects, which cost as much as it."""

    async def exchange(self, method: str, url: httpx.URL, headers: Headers, body: bytes) -> Arriving:
        """Send a request and return its answer when its head has come.

        Args:
            headers: Names in lower case; ``host`` and what frames the body are added, and must not be among them.

        Raises:
            httpx.TransportError: If there is no answer; ``getattr(error, "sent", True)`` says whether bytes
                of the request may have left.
        """
        ...


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

    def runners(self) -> Mapping[str, Runner]:
        """Return the runners of all plugins, by name; those of this process, also beside a running server."""
        ...

    def step_types(self) -> Mapping[str, StepType]:
        """Return what ``use:`` of a pipeline may name, likewise."""
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

    async def end_remains(self, mark: str) -> int | None:
        """End what still carries the mark of a tree whose host was killed: SIGTERM first, SIGKILL a second later.

        Of this machine and this user, whatever their parents are by now. Programs that a living host has started
        ``within`` this mark end, too.

        Returns:
            How many processes there were; ``None`` where the system cannot say (without ``/proc``).

        Raises:
            Conflict: If this process carries the mark itself; nothing was ended.
            Unavailable: If some do not end; names them.
        """
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
class OffersStores(Protocol):
    """What the hosts that commands get can do besides, with a server and without one."""

    def stores(self) -> Mapping[str, Callable[[str], Awaitable[BlobStore]]]:
        """Return how to open a place for snapshots, by URL scheme, as this process's plugins offer it."""
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

    def section(self, table: str, model: type[T]) -> T:
        """Return one table of the configuration without looking at the others: quicker than ``config``.

        What a project's own file says of it does not count. Where the file cannot be used, a running server's
        values are taken, and a line on standard error says so.

        Args:
            table: As ``ConfigSection`` of the command's plugin has it; not one of tables.

        Raises:
            ConfigError: If a value of it is wrong.
        """
        ...

    def run(self, work: Callable[[Host], Awaitable[T]], *, without: Collection[str] = ()) -> T:
        """Run ``work`` with a host, in a trio loop of its own, and return what it returns.

        Args:
            without: Plugins that a host of this command's own does without, because another process has what they
                open for themselves alone.
        """
        ...

    def ask(self, role: type[T], work: Callable[[T], Awaitable[R]]) -> R:
        """Run ``work`` with who plays a role, and return what it returns; like ``run``, but quicker.

        ``work`` may await nothing but the role's methods: beside a running server there is no loop.

        Raises:
            Unavailable: If nobody plays the role.
        """
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

    def edit_config(self, change: Callable[[MutableMapping[str, Any]], None]) -> bool:
        """Change the home's ``aexl.toml``, comments kept; the file is replaced at once or not at all.

        Where a server runs, it reads the file before this returns.

        Args:
            change: Gets the document, a tomlkit one, and changes it in place; what it raises changes nothing.

        Returns:
            Whether a running server has the change. What a section with ``restart`` says,
            it follows only when it starts again.

        Raises:
            ConfigError: If the configuration would be wrong afterwards, or the server
                refuses it; nothing has changed, byte for byte.
        """
        ...

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table for people; columns of numbers (named with a leading ``>``) stand right."""
        ...

    def json(self, value: object) -> None:
        """Print one value as JSON, for programs."""
        ...
