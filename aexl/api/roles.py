"""Services that plugins do for each other, found by ``Host.service``.

A role is a ``Protocol`` whose methods are ``async`` and take and return values
that JSON can carry (records, strings, numbers, lists, mappings): in a command's
process the host answers ``service`` with an object that speaks to the running
server over its control socket, made from nothing but these signatures. What is
keyword-only is for callers in the server's own process: a command cannot give it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from aexl.api.accounts import Agent, AgentChange, NewAgent, Token
from aexl.api.gates import Answered, Question
from aexl.api.handlers import Heard, Invocation, Invoked, RuntimeOffer
from aexl.api.records import Bill, Execution, Model, Principal, Receipt, Scope, State
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

    async def bill(self, agents: Sequence[str], labels: Mapping[str, str]) -> Bill:
        """Return what executions of these agents cost together, deleted agents' too.

        Args:
            agents: Who paid, by exact name; what their children paid does not count.
            labels: Only executions that carry all of these.
        """
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
    ignore files name (``.aexlignore``; ``.gitignore`` in a folder without one), ``.git``,
    ``.aexl`` and ``AEXL_HOME`` are outside: never captured, never changed. So is what a snapshot
    cannot hold (links, devices, pipes, sockets).

    Work on files runs in threads: a cancelled call returns when the file it is at is done.
    """

    async def capture(self, path: str, message: str) -> ObjectId:
        """Return a snapshot of what is in a folder now; it is durable, and stays until the folder's next one (``keep``).

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

    async def extract(self, project: str, snapshot: ObjectId, path: str) -> None:
        """Write the files of a snapshot that a project keeps itself, outside of the host's store, into a new folder.

        Args:
            project: A folder of the project; the nearest one from there upwards that keeps snapshots counts.
            path: A folder that is not there yet; it is there whole or not at all.

        Raises:
            NotFound: If the project keeps no snapshots, or not this one.
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

    async def patch(self, old: ObjectId, new: ObjectId, most: int) -> str:
        """Return what differs as a text that ``git apply`` understands; of files that are no text, only their sizes.

        Args:
            most: Bytes of the text, about; the files that do not fit are named at its end.

        Raises:
            NotFound: If there is no such snapshot.
        """
        ...

    async def read(self, snapshot: ObjectId, path: str, most: int) -> bytes | None:
        """Return a file of a snapshot; ``None`` where it has no such file.

        Args:
            most: Bytes.

        Raises:
            NotFound: If there is no such snapshot.
            Invalid: If the file is larger than ``most``.
        """
        ...

    async def keep(self, name: str, snapshots: Sequence[ObjectId]) -> None:
        """Keep snapshots under a name, beside those that it keeps already; durable.

        What no name keeps, and is not the last capture of a folder, is garbage.

        Args:
            name: Up to 100 letters, digits, ``.``, ``_`` and ``-``.

        Raises:
            NotFound: If one of them does not exist.
            Invalid: If it is not a name.
        """
        ...

    async def owners(self) -> Sequence[str]:
        """Return the names that keep anything, sorted: so that those whose owner is gone can be released."""
        ...

    async def release(self, names: Sequence[str]) -> None:
        """Keep nothing under these names any more; one that keeps nothing is no error."""
        ...

    async def forget(self, path: str) -> None:
        """Let go of a folder's last capture, and of what is known of its files; the folder may be gone already."""
        ...


@runtime_checkable
class Handlers(Protocol):
    """A project's handlers, run from a snapshot or a folder, confined."""

    async def describe(
        self, project: str, repository: str | None = None, runtime: str | None = None
    ) -> Mapping[str, object]:
        """Return what a project has: kinds, names, input schemas.

        Args:
            project: The id of a snapshot, or the absolute path of a folder.
            repository: Where the snapshot is, as ``Invocation`` has it.
            runtime: The name of the interpreter that imports it, as ``Invocation`` has it.

        Raises:
            NotFound: If there is no such project, or it has no entry point.
            Invalid: If it cannot be imported; says why.
            Unavailable: If no worker can be had: too many wait, or the sandbox cannot be what it must.
        """
        ...

    async def invoke(self, invocation: Invocation, *, heard: Heard | None = None) -> Invoked:
        """Run a handler to its end; what goes wrong in it is in the answer.

        If cancelled, everything that it started has ended.

        Args:
            heard: Is told of each record of the log as it comes; as long as it was told of none, nothing of the
                handler has run.

        Raises:
            NotFound: If there is no such project.
            Unavailable: If too many runs wait for a worker already.
        """
        ...

    async def runtimes(self) -> Sequence[RuntimeOffer]:
        """Return the interpreters that an invocation may name, the built-in one first, and what each offers."""
        ...


@runtime_checkable
class Gates(Protocol):
    """One queue of questions to people, over all plugins; the first answer counts, wherever it is given."""

    async def ask(self, question: Question) -> None:
        """Put up a question; durable when this returns.

        An answer to the same question that came meanwhile stays; one to another question of this id does not.

        Raises:
            Unavailable: If it cannot be written.
        """
        ...

    async def hear(self, question: Question) -> Answered:
        """Wait for the answer to a question that was put up. If cancelled, the question stays."""
        ...

    async def answer(self, question: Question, answered: Answered) -> None:
        """Answer a question that was put up.

        Raises:
            Conflict: If somebody was quicker; says who.
        """
        ...

    async def withdraw(self, question: Question) -> None:
        """Take a question away, if nobody has answered it."""
        ...


@runtime_checkable
class Logins(Protocol):
    """The servers that this home's user has logged in to."""

    async def token(self, url: str) -> str | None:
        """Return the token of the login whose server a URL belongs to, the current login first; ``None`` without one."""
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

    async def configuration(self) -> Mapping[str, object]:
        """Return the values in force by table, those that somebody has set."""
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
