"""Services that plugins do for each other, found by ``Host.service``.

A role is a ``Protocol`` whose methods are ``async`` and take and return values
that JSON can carry (records, strings, numbers, lists, mappings): in a command's
process the host answers ``service`` with an object that speaks to the running
server over its control socket, made from nothing but these signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from aexl.api.accounts import Agent, AgentChange, NewAgent, Token
from aexl.api.records import Execution, Model, Principal, Receipt, Scope, State
from aexl.api.trees import FileChange, MergedSnapshot
from aexl.api.work import ObjectId


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
class Snapshots(Protocol):
    """Snapshots of folders, kept in the host's own store: what an agent's step changed, and its undo.

    Paths are absolute paths of folders on the host's machine. Files that the folder's
    ignore files name, ``.git`` and ``.aexl`` are outside: never read, never changed. So is
    what a snapshot cannot hold (links, devices, pipes, sockets).

    Work on files runs in threads: a cancelled call returns when the file it is at is done.
    """

    async def capture(self, path: str, message: str) -> ObjectId:
        """Return a snapshot of what is in a folder now; it is durable.

        A folder in which nothing has changed since its last capture costs looks at its files, no
        readings, and has the same snapshot. If cancelled, nothing refers to what was stored.

        Args:
            message: Why; becomes the snapshot's message.

        Raises:
            NotFound: If there is no such folder.
            Invalid: If a name cannot be kept: not UTF-8, or equal to another one but for case. Names the path.
            Conflict: If a file changes all the time it is read.
            Unavailable: If a file cannot be read or the store cannot be written.
        """
        ...

    async def diff(self, old: ObjectId, new: ObjectId) -> Sequence[FileChange]:
        """Return what differs, by path.

        Raises:
            NotFound: If there is no such snapshot.
        """
        ...

    async def materialize(self, snapshot: ObjectId, path: str, force: bool) -> None:
        """Make a folder's files those of a snapshot; the folder is made where it is missing.

        Every file is written aside and moved into place. If cancelled, each file is its old or its
        new self; calling again goes on.

        Args:
            force: Also overwrite and remove files whose content is not in the folder's last capture.

        Raises:
            NotFound: If there is no such snapshot.
            Conflict: If files would be lost, and ``force`` is false; names them, and nothing has changed.
            Unavailable: If a file cannot be written, or a stored object is damaged.
        """
        ...

    async def changed_since(self, snapshot: ObjectId, path: str) -> Sequence[FileChange]:
        """Return what differs between a snapshot and a folder as it is now; stores nothing.

        Raises:
            NotFound: If there is no such snapshot, or no such folder.
            Invalid: As ``capture``.
            Conflict: As ``capture``.
        """
        ...

    async def merge(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        """Merge what two snapshots changed of a third one: files first, then texts line by line.

        Raises:
            NotFound: If one of them does not exist.
        """
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
