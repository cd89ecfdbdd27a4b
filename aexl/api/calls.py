"""What takes part in a call: gates, the book, the planner, providers, and the answer.

Everything here may be called from many tasks at once. Methods that say *must not
wait* are ordinary functions and run in the loop: no I/O, no locks, microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from aexl.api.money import Usage
from aexl.api.records import Attempt, Booked, Call, Headers, Hold, Outcome, Plan, Receipt, Replay, Surface, Target
from aexl.errors import Refused

if TYPE_CHECKING:
    from trio.abc import ReceiveChannel

T = TypeVar("T")


class Named(Protocol):
    """Something that the configuration and the logs call by a name."""

    @property
    def name(self) -> str:
        """Lower-case words joined by hyphens, unique among its kind."""
        ...


class Config(Protocol):
    """A checked configuration, one immutable generation of it."""

    @property
    def secrets(self) -> frozenset[str]:
        """Environment variables that hold secrets, by the sections that say so (``ConfigSection.variable``)."""
        ...

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
        """Record a refusal; the receipt is ``None`` where the book keeps none.

        May set ``refused.remaining`` to what the agent's tightest budget has left.
        """
        ...

    def delivered(self, execution: str, complete: bool) -> None:
        """Hear that an answer has been sent, to its end or not. Must not wait."""
        ...


@runtime_checkable
class Retrying(Protocol):
    """A book may also have this method, to have every attempt of a call on record.

    Without it a call that may have been charged is not tried elsewhere.
    """

    async def retry(self, hold: Hold, attempt: Attempt) -> Hold:
        """Record a failed attempt, and hold ``attempt.extra`` more; durable when it returns.

        Returns:
            What is held for the execution now.

        Raises:
            Refused: 402 if a budget of the chain does not allow it, 503 as for ``reserve``; nothing has changed.
        """
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
class Standing(Protocol):
    """A provider type may also have this method, to offer providers that no table of ``[providers]`` makes."""

    def standing(self, config: Config) -> Provider | None:
        """Return the provider that is there by this configuration, under a name that no table may have. Must not wait.

        Raises:
            ConfigError: If the configuration is wrong.
        """
        ...


@runtime_checkable
class Planning(Protocol):
    """A provider of the surface ``tools`` has this method: what it offers is no model, and in no catalogue."""

    def plan(self, call: Call) -> Plan | None:
        """Return the plan of a call to something of its own, ``None`` if it has nothing of that name. Must not wait.

        Raises:
            Refused: If the call cannot be made.
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
