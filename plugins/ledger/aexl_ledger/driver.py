"""The seam between the ledger and what stores it. A driver is used by one thread at a time.

SQLite is one driver. One for PostgreSQL has the same few methods: it writes its
batch in one pipeline, to a chain of its own beside those of other hosts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from aexl.errors import Unavailable
from aexl_ledger.engine import Batch
from aexl_ledger.operations import Operation


class Profile(NamedTuple):
    """What authentication needs of an agent; limits are canonical JSON, the state is the chain's."""

    name: str
    ancestors: tuple[str, ...]
    state: str
    limits: str


class Credential(NamedTuple):
    """What authentication needs of a token; ``expires`` is Unix microseconds."""

    id: str
    agent: str
    digest: str
    scope: str
    labels: Mapping[str, str]
    expires: int | None
    revoked: bool


class Balance(NamedTuple):
    """Nano-dollars of one agent, for gauges."""

    agent: str
    budget: int | None
    spent: int
    reserved: int
    deleted: bool


@dataclass(slots=True)
class Changes:
    """What others keep copies of and must hear, when it is durable; ``complete`` means that there is nothing else."""

    profiles: Sequence[Profile] = ()
    credentials: Sequence[Credential] = ()
    balances: Sequence[Balance] = ()
    head: tuple[int, bytes] | None = None
    complete: bool = False


@dataclass(slots=True)
class Done:
    """A batch after its transaction.

    Attributes:
        results: An answer or an exception for each operation, in order.
        commit_seconds: How long making it durable took; ``None`` if nothing was written.
    """

    results: list[object]
    changes: Changes = field(default_factory=Changes)
    commit_seconds: float | None = None


@dataclass(slots=True)
class Begun:
    """A batch that has been decided and written, and is not durable yet.

    Attributes:
        batch: What was decided; ``None`` if that failed.
        changes: What it touched.
        started: When its transaction began, by ``time.perf_counter``; ``None`` if there was nothing to write.
        error: What failed already; ``flush`` finds out what became of the batch.
    """

    operations: list[Operation[Any]]
    batch: Batch | None = None
    changes: Changes | None = None
    started: float | None = None
    error: Exception | None = None


class StorageFailed(Unavailable):
    """The ledger could not be written; what was asked has provably not happened."""


class DiskFull(StorageFailed):
    """There is no space left for new executions; running ones are still settled."""


class Driver(Protocol):
    """Stores the ledger; every method may block."""

    @property
    def trouble(self) -> str | None:
        """A sentence on what keeps the ledger from being written now. From any thread; does not block."""
        ...

    def open(self) -> Done:
        """Load the ledger; ``changes`` has everything, ``results`` the ids of executions without an end.

        Raises:
            Unavailable: If it cannot be used; says why.
        """
        ...

    def execute(self, batch: Sequence[Operation[Any]]) -> Done:
        """Run operations in one durable transaction. Does not raise: every answer is in ``results``."""
        ...

    def begin(self, batch: Sequence[Operation[Any]]) -> Begun:
        """Do the part of ``execute`` that waits for no disk: all but making it durable."""
        ...

    def flush(self, begun: Begun) -> Done:
        """Do the rest, perhaps in another thread; between the two, no other batch may be begun."""
        ...

    @property
    def maintenance_due(self) -> bool:
        """Whether ``maintain`` should be called though others wait. Does not block."""
        ...

    def maintain(self, idle: bool) -> None:
        """Do what may wait, such as a checkpoint; ``idle`` when nobody waits. Called between batches."""
        ...

    def expire(self) -> None:
        """Delete claims and answers that are too old.

        Raises:
            StorageFailed: If that cannot be done now.
        """
        ...

    def close(self) -> None:
        """Give the ledger back."""
        ...
