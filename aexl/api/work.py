"""What runs and what is kept: stores of objects, steps of pipelines, processes, agent runners.

Everything here may be called from many tasks at once. Methods that say *must not
wait* are ordinary functions and run in the loop: no I/O, no locks, microseconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NewType, Protocol, runtime_checkable

from aexl.api.calls import Named

if TYPE_CHECKING:
    from trio.abc import ReceiveChannel

    from aexl.api.governed import Access
    from aexl.api.host import Host
    from aexl.api.runners import Asked, Decision, RunnerEvent, RunnerOutcome, RunnerRequest

LINE_LIMIT: Final = 1024 * 1024
"""Bytes; the longest line that comes in one piece unless a ``ProcessSpec`` says otherwise."""

ObjectId = NewType("ObjectId", str)
"""The SHA-256 of an object's bytes: 64 lower-case hexadecimal digits."""


class BlobStore(Protocol):
    """Bytes under names, with the two conditional writes that heads need.

    Names are one to eight words of letters, digits, ``.``, ``_`` and ``-``, joined
    by slashes, none beginning with a dot or hyphen; others raise ``Invalid``. Bytes
    are at most 64 MiB, and appear whole or not at all. What a method reports is
    durable. A store that cannot be reached raises ``Unavailable``. Every driver
    passes the suite ``aexl.testing.blobs``; one that cannot hold the conditions
    must raise when it is opened.
    """

    async def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return the bytes, or those of a range that exist.

        Raises:
            NotFound: If there is no such name.
        """
        ...

    async def get_versioned(self, name: str) -> tuple[bytes, str]:
        """Return the bytes and which version they are, for ``put_if_match``.

        Raises:
            NotFound: If there is no such name.
        """
        ...

    async def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write unless the name exists; return whether it was written."""
        ...

    async def put_if_match(self, name: str, data: bytes, *, version: str | None) -> str:
        """Replace only the version named, ``None`` for a name that must not exist; return the new one.

        Raises:
            HeadMoved: If another version is there by now.
            Unavailable: If it is not known whether it was replaced; reading tells.
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

    @property
    def access(self) -> Access | None:
        """The step's way to models, under the run's budget and its own; ``None`` where nobody governs the run.

        The token is for this attempt of the step, and ends with it. Whoever pays for what the step asks must be
        its agent, and no other that the step's arguments may name.
        """
        ...

    def log(self, line: str) -> None:
        """Add a line to the step's log. Must not wait."""
        ...


class Step(Protocol):
    """A step of a pipeline, its arguments already checked."""

    async def run(self, run: StepRun) -> Mapping[str, object]:
        """Do the work and return named outputs, which must be JSON values.

        Raises:
            Refused: If it was refused a call: the step is denied, and not tried again.
        """
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
        converse: Standard input stays open after ``stdin``, for ``Process.send`` and ``Process.end_input``.
        inherit: The program uses the host's own standard streams (a terminal program).
        within: The mark of a larger tree that it belongs to, for ``Host.end_remains``: hexadecimal digits, 32 or more
            so that nobody else has the same. What it starts carries the mark too.
        folders: Folders to make before it starts where they are missing, mode 0700; they stay.
        files: Files to write before it starts, mode 0600; they are removed when it has ended.
        line_limit: Bytes; a longer line of output comes in pieces.
        cancel: Signals and the seconds of grace after each; then the whole tree is killed.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes | None = None
    converse: bool = False
    inherit: bool = False
    within: str = ""
    folders: Sequence[Path] = ()
    files: Mapping[Path, str] = field(default_factory=dict)
    cancel: Sequence[tuple[int, float]] = ((15, 5.0),)
    line_limit: int = LINE_LIMIT


class Process(Protocol):
    """A running program and everything it started."""

    @property
    def pid(self) -> int:
        """The program's process id."""
        ...

    @property
    def lines(self) -> ReceiveChannel[bytes]:
        """Standard output, line by line, without line ends; a line over the limit comes in pieces."""
        ...

    @property
    def stderr(self) -> ReceiveChannel[bytes]:
        """Standard error, likewise."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to the program itself. Must not wait."""
        ...

    async def send(self, data: bytes) -> None:
        """Write to the program's standard input, after what the specification had for it; one task at a time.

        Nothing happens where the program has closed its input, or ended.

        Raises:
            Invalid: If the specification did not say ``converse``, or the input has been ended.
        """
        ...

    def end_input(self) -> None:
        """End the program's standard input; doing it again is no error. Must not wait."""
        ...

    async def wait(self) -> int:
        """Wait for the program to end; return its exit code, or minus the signal that ended it."""
        ...


class RunnerParser(Protocol):
    """Turns a CLI's output into events, without I/O, so that recordings test it. One for each run."""

    @property
    def concluded(self) -> bool:
        """The protocol has said that the run is over: what the CLI still does is no more than end."""
        ...

    def feed(self, data: bytes) -> Sequence[RunnerEvent]:
        """Return the events of the next bytes of standard output, cut anywhere. Never raises."""
        ...

    def answer(self, asked: Asked, decision: Decision) -> bytes:
        """Return what to write to the CLI's standard input.

        Raises:
            Invalid: If this CLI asks no questions.
        """
        ...

    def finish(self, status: int, stderr: str) -> RunnerOutcome:
        """Return the outcome, from the protocol first and the exit status second; call it once, at the end."""
        ...


@runtime_checkable
class Runner(Named, Protocol):
    """An agent CLI, or something like one.

    One that needs no process is a ``HostedRunner`` as well; its ``launch`` is not called.
    """

    @property
    def capabilities(self) -> frozenset[str]:
        """What a step may ask of it, words of ``aexl.api.runners.Ability``; the rest is an error before anything runs."""
        ...

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it; looks at nothing but the request. Must not wait.

        Raises:
            Invalid: If it cannot honour the request; names the runner, what it cannot do, and what would do.
        """
        ...

    def parser(self, request: RunnerRequest) -> RunnerParser:
        """Return a parser for one run. Must not wait."""
        ...


@runtime_checkable
class HostedRunner(Protocol):
    """A runner may also have this method, to work inside the host instead of starting a process."""

    async def run(
        self, host: Host, request: RunnerRequest, tell: Callable[[RunnerEvent], Awaitable[None]]
    ) -> RunnerOutcome:
        """Do the work and tell what happens; may be cancelled anywhere.

        Raises:
            Invalid: If it cannot honour the request; nothing has run.
        """
        ...
