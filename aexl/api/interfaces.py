"""What plugins return and the host calls while it runs.

Everything here may be called from many tasks at once. Methods that say *must not
wait* are ordinary functions and run in the loop: no I/O, no locks, microseconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NewType, Protocol, TypeVar, runtime_checkable

from aexl.api.money import Usage
from aexl.api.records import Booked, Call, Headers, Hold, Outcome, Plan, Receipt, Replay, Surface, Target
from aexl.errors import Refused

if TYPE_CHECKING:
    import typer
    from trio.abc import ReceiveChannel

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

ObjectId = NewType("ObjectId", str)
"""The SHA-256 of an object's bytes: 64 lower-case hexadecimal digits."""

# ASGI's own types are open dictionaries; asgiref has no stricter ones to offer.
ASGIScope = MutableMapping[str, Any]
ASGIReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
ASGISend = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[ASGIScope, ASGIReceive, ASGISend], Awaitable[None]]


class Named(Protocol):
    """Something that the configuration and the logs call by a name."""

    @property
    def name(self) -> str:
        """Lower-case words joined by hyphens, unique among its kind."""
        ...


class Config(Protocol):
    """A checked configuration, one immutable generation of it."""

    def section(self, model: type[T]) -> T:
        """Return a declared section (for a keyed one, declare and use ``mapping``)."""
        ...

    def mapping(self, model: type[T]) -> Mapping[str, T]:
        """Return a keyed section: the table's entries by name."""
        ...


@runtime_checkable
class Reloadable(Protocol):
    """Any object a hook returns may have this method, to follow the configuration.

    The host calls ``prepare`` of all of them once at start-up, when every
    lifespan has been entered, and on each reload. Only when none raised are the
    functions they returned called, all in one step of the loop: a reload happens
    everywhere or nowhere.
    """

    async def prepare(self, config: Config) -> Callable[[], None]:
        """Build what the new configuration asks for; return a function that swaps it in and must not wait.

        Raises:
            ConfigError: If the configuration cannot be used; nothing may have changed.
        """
        ...


class Lease(Protocol):
    """What a gate holds while a call runs (a place in a rate window, a slot)."""

    @property
    def headers(self) -> Headers:
        """Headers to add to the answer where the provider has none of the name, such as ``x-ratelimit-*``."""
        ...

    def close(self, outcome: Outcome | None) -> None:
        """Give back or correct what was held.

        Called exactly once; must not wait. ``None`` means that the call did not
        reach a provider: another gate or the book refused it, or it was a replay.
        """
        ...


@runtime_checkable
class Admission(Named, Protocol):
    """A gate that every call passes before any money is held."""

    async def admit(self, call: Call, plan: Plan) -> Lease | None:
        """Let the call in, perhaps after waiting its turn.

        Gates are passed in hook order; their leases are closed in reverse. If
        cancelled while waiting, nothing is held.

        Raises:
            Refused: If the call may not run. Any other exception denies as well,
                with a 500 that names the gate.
        """
        ...


@runtime_checkable
class Reviser(Protocol):
    """A gate may also have this method, to see calls before they are planned."""

    async def revise(self, call: Call) -> Call:
        """Return the call as it shall be planned: limits lowered, values patched, or as it is.

        Raises:
            Refused: If the call may not run. Any other exception denies as well.
        """
        ...


@runtime_checkable
class Settlement(Named, Protocol):
    """The book: claims an execution, holds money, and settles it exactly once.

    One book is in use at a time. Every answer is given after what it reports is
    durable. Waiting cannot be cancelled half way: on cancellation the methods
    finish what was begun and only then raise.
    """

    async def reserve(self, call: Call, plan: Plan) -> Hold | Replay:
        """Claim the execution id and set money aside along the whole chain of parent agents.

        One durable transaction, which also marks the execution dispatched. An
        equal call that is in flight is awaited, and its answer returned.

        Raises:
            Refused: 402 if a budget of the chain does not allow it, 422 if the id
                belongs to another request, 409 if an equal one is in flight for
                too long, 423 if the agent is not ready, 503 if the book is full.
        """
        ...

    async def settle(self, hold: Hold, outcome: Outcome, answer: Replay | None) -> Booked:
        """Book ``outcome.charge``; idempotent in ``hold.execution``.

        ``answer`` is what a replay shall send; ``None`` if it cannot be replayed.
        """
        ...

    async def deny(self, call: Call, refused: Refused) -> Receipt | None:
        """Record a refusal; the receipt is ``None`` where the book keeps none."""
        ...

    def delivered(self, execution: str, complete: bool) -> None:
        """Hear that an answer has been sent, to its end or not. Must not wait."""
        ...


@runtime_checkable
class Reply(Protocol):
    """A provider's answer while it is arriving."""

    @property
    def status(self) -> int:
        """The HTTP status the provider answered with."""
        ...

    @property
    def headers(self) -> Headers:
        """The provider's end-to-end headers, as received, names in lower case."""
        ...

    @property
    def chunks(self) -> ReceiveChannel[bytes]:
        """The body, in the pieces in which it arrives.

        A stream that the upstream cut ends with ``ProviderFailed``.
        """
        ...

    @property
    def usage(self) -> Usage | None:
        """What was consumed; known at the latest after the last chunk."""
        ...

    @property
    def upstream_id(self) -> str | None:
        """The provider's id of the answer, where it has one; known as ``usage`` is."""
        ...

    @property
    def finished(self) -> bool:
        """The answer ended as its dialect says an answer ends: not by a cut, and not with an error."""
        ...


@runtime_checkable
class Provider(Named, Protocol):
    """Somewhere calls can be sent."""

    @property
    def surfaces(self) -> frozenset[Surface]:
        """The dialects this provider speaks."""
        ...

    def open(self, call: Call, target: Target) -> AbstractAsyncContextManager[Reply]:
        """Send the call; leaving the context ends the upstream request.

        Entered, read and left by one task. An answer with an error status is an
        answer, not an exception.

        Raises:
            ProviderFailed: On entering, before the first byte of an answer.
        """
        ...


@runtime_checkable
class ProviderType(Named, Protocol):
    """A value of ``type`` in ``[providers.<name>]``."""

    def build(self, name: str, table: Mapping[str, object]) -> Provider:
        """Check a provider's table and build the provider; asked again on reload. Must not wait.

        Raises:
            ConfigError: If the table is wrong.
        """
        ...


@runtime_checkable
class Dispatcher(Protocol):
    """Plans where calls go: model names, fallbacks, weights, health, prices."""

    def plan(self, call: Call, providers: Mapping[str, Provider]) -> Plan:
        """Return the targets, best first, with bounds and hold. Must not wait.

        Raises:
            Refused: If no target serves the model, or it has no price.
        """
        ...

    def report(self, target: Target, outcome: Outcome) -> None:
        """Learn how a target did (circuit breaking). Must not wait."""
        ...


class BlobStore(Protocol):
    """Bytes under names, with the two conditional writes that heads need.

    Every driver passes the same conformance suite; one that cannot hold the
    conditions must raise when it is opened.
    """

    async def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return the bytes, or a range of them.

        Raises:
            NotFound: If there is no such name.
        """
        ...

    async def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write unless the name exists; return whether it was written."""
        ...

    async def put_if_match(self, name: str, data: bytes, *, version: str | None) -> str:
        """Replace only the version named; return the new one.

        Raises:
            HeadMoved: If another version is there by now.
        """
        ...

    async def list(self, prefix: str) -> Sequence[str]:
        """Return the names that begin with ``prefix``, sorted."""
        ...

    async def delete(self, name: str) -> None:
        """Remove a name; one that does not exist is no error."""
        ...


class StepRun(Protocol):
    """What a pipeline step may use while it runs."""

    @property
    def inputs(self) -> Mapping[str, object]:
        """The step's checked arguments, as JSON values."""
        ...

    @property
    def workspace(self) -> Path:
        """The folder the step works in."""
        ...

    def log(self, line: str) -> None:
        """Add a line to the step's log. Must not wait."""
        ...


class Step(Protocol):
    """A step of a pipeline, its arguments already checked."""

    async def run(self, run: StepRun) -> Mapping[str, object]:
        """Do the work and return named outputs, which must be JSON values."""
        ...


@runtime_checkable
class StepType(Named, Protocol):
    """A word that a pipeline file may use as ``use:``."""

    def parse(self, arguments: Mapping[str, object]) -> Step:
        """Check a step's ``with:`` table and build the step. Must not wait.

        Raises:
            ConfigError: If an argument is missing, unknown or of a wrong type.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A program to run, with an environment built from nothing and an end that is certain.

    Attributes:
        env: The whole environment; nothing is inherited.
        stdin: What the program reads; ``None`` for an empty one. Ignored when ``inherit`` is true.
        inherit: The program uses the host's own standard streams (a terminal program).
        files: Files to write before it starts, mode 0600.
        cancel: Signals and the seconds of grace after each; then the whole tree is killed.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes | None = None
    inherit: bool = False
    files: Mapping[Path, str] = field(default_factory=dict)
    cancel: Sequence[tuple[int, float]] = ((15, 5.0),)


class Process(Protocol):
    """A running program and everything it started."""

    @property
    def pid(self) -> int:
        """The program's process id."""
        ...

    @property
    def lines(self) -> ReceiveChannel[bytes]:
        """Standard output, line by line, without line ends; a line of over 1 MiB comes in pieces."""
        ...

    @property
    def stderr(self) -> ReceiveChannel[bytes]:
        """Standard error, likewise."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to the program itself. Must not wait."""
        ...

    async def wait(self) -> int:
        """Wait for the program to end; return its exit code, or minus the signal that ended it."""
        ...


class RunnerParser(Protocol):
    """Turns a CLI's output into events, without I/O, so that recordings test it."""

    def feed(self, line: bytes) -> Sequence[object]:
        """Return the events of one line of standard output."""
        ...

    def finish(self, status: int, stderr: str) -> object:
        """Return the outcome, from the protocol first and the exit status second."""
        ...


@runtime_checkable
class Runner(Named, Protocol):
    """An agent CLI, or something like one."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What a step may ask of it; the rest is an error before anything runs."""
        ...

    def launch(self, spec: object) -> ProcessSpec:
        """Return how to start it."""
        ...

    def parser(self, spec: object) -> RunnerParser:
        """Return a parser for one run."""
        ...


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
    """

    path: str
    app: ASGIApp
    auth: Literal["none", "read", "execute", "admin"]
    refuse: Callable[[Refused, str, str], tuple[int, Headers, bytes]] | None = None


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
    """

    table: str
    model: type[object]
    keyed: bool = False
    project: bool = False
    open: bool = False


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


class Answer(Protocol):
    """The answer to a governed call, for whoever made it.

    A JSON answer has been settled when its context is entered, so ``booked`` is
    there for the head; a stream is settled after its last chunk.
    """

    @property
    def execution(self) -> str:
        """The execution id."""
        ...

    @property
    def status(self) -> int:
        """The HTTP status for the client."""
        ...

    @property
    def headers(self) -> Headers:
        """End-to-end headers of the provider."""
        ...

    @property
    def stream(self) -> bool:
        """The body arrives in pieces over time; else ``chunks`` has all of it at once."""
        ...

    @property
    def replayed(self) -> bool:
        """The answer comes from the book, not from a provider."""
        ...

    @property
    def receipt(self) -> Receipt:
        """The settlement's place in the ledger, or for a stream the reservation's."""
        ...

    @property
    def booked(self) -> Booked | None:
        """What was booked, once it is."""
        ...

    @property
    def chunks(self) -> ReceiveChannel[bytes]:
        """The body. Ends with ``ProviderFailed`` where the upstream cut it, with ``Refused`` after ``Host.interrupt``."""
        ...

    def delivered(self) -> None:
        """Say that the client has been sent all of it. Must not wait."""
        ...
