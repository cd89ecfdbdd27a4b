"""Runs inside the server: started and resumed by requests, cancelled when it stops, journaled like all others."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import trio

from aexl.api import Control, Host
from aexl.errors import AexlError, Conflict, Refused, Unavailable
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.requests import RunResult
from aexl_pipelines.gates.queue import FileGates
from aexl_pipelines.journal.folders import runs_folder
from aexl_pipelines.journal.records import Gate, Progress, Record, RunBegun
from aexl_pipelines.runners.environment import TAKEN
from aexl_pipelines.serving.asking import Desk
from aexl_pipelines.serving.owners import Owners
from aexl_pipelines.serving.watching import Hub, Listener

logger = logging.getLogger("aexl.pipelines")

MOST: Final = 64
"""Runs at a time, children apart; a request for one more is refused."""
_TICK: Final = 0.5
"""Seconds between two looks whether the server begins to stop."""

Work = Callable[[Ports], Awaitable[RunResult]]
"""Runs a pipeline with the ports that it is given."""


@dataclass(slots=True, eq=False)
class Job:
    """A run in this process.

    Attributes:
        result: Set when it has ended; ``error`` instead where it could not even begin, or broke.
    """

    run: str
    agent: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    begun: trio.Event = field(default_factory=trio.Event)
    done: trio.Event = field(default_factory=trio.Event)
    result: RunResult | None = None
    error: AexlError | None = None


class Station:
    """What the server's requests share: the running runs, their gates, and who watches them.

    Attributes:
        stopping: Set as soon as the server begins to stop: who waits for something lets go.
        turns: To be held while a session gets its next turn.
        sessions: The keys of the sessions that running turns belong to, by run.
        streams: Who follows a session, by its key.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.hub = Hub()
        self.owners = Owners(runs_folder(host.data_dir))
        self.desk = Desk()
        self.hub.add(self.desk)
        self.gates = FileGates(runs_folder(host.data_dir), waits=True, opened=self._gate_opened)
        self.stopping = trio.Event()
        self.turns = trio.Lock()
        self.sessions: dict[str, str] = {}
        self.streams: dict[str, set[Listener]] = {}
        self._nursery: trio.Nursery | None = None
        self._jobs: dict[str, Job] = {}
        self._watched = False

    def _gate_opened(self, gate: Gate) -> None:
        self.desk.opened(self.hub.root(gate.run), gate)

    @property
    def runs(self) -> Path:
        """The folder that has a folder for each run."""
        return runs_folder(self.host.data_dir)

    def open(self, nursery: trio.Nursery) -> None:
        """Let requests start runs, in this nursery."""
        self._nursery = nursery

    def close(self) -> None:
        """Let requests start nothing more, and go on waiting for nothing. Must not wait."""
        self._nursery = None
        self.stopping.set()

    def job(self, run: str) -> Job | None:
        """Return the job that drives a run, if it runs here."""
        return self._jobs.get(run)

    def of_agent(self, agent: str) -> list[Job]:
        """Return an agent's running jobs."""
        return [job for job in self._jobs.values() if job.agent == agent]

    async def start(self, agent: str, run: str, work: Work, ports: Ports) -> Job:
        """Begin a run, or go on with one, and return when its journal says so, or it has ended.

        If cancelled, the run goes on.

        Raises:
            Refused: If too many run already, or the server stops.
            Conflict: If the run is driven already, or cancelled before its journal says anything.
        """
        nursery = self._nursery
        if nursery is None or self.stopping.is_set():
            raise _stopping()
        if len(self._jobs) >= MOST:
            text = f"{MOST} pipelines run already; wait for one, or cancel it"
            raise Refused(text, code="too_many_runs", status=503, retry_after=10)
        if run in self._jobs:
            raise Conflict(f"the run {run} is running")
        job = Job(run, agent)
        self._jobs[run] = job
        self.watch_for_the_end()
        nursery.start_soon(self._drive, job, work, ports)
        await job.begun.wait()
        if job.error is not None:
            raise job.error
        if job.result is None and job.done.is_set():
            raise _stopping() if self.stopping.is_set() else Conflict(f"the run {run} was cancelled before it went on")
        return job

    async def _drive(self, job: Job, work: Work, ports: Ports) -> None:
        watched = replace(ports, observers=(*ports.observers, _Begin(job, self.owners), self.hub))
        try:
            with job.scope:
                job.result = await work(watched)
        except AexlError as error:
            job.error = error
        except Exception as error:
            logger.exception("run %s broke", job.run)
            job.error = Unavailable(f"the run broke: {type(error).__name__}: {error}")
        finally:
            del self._jobs[job.run]
            self.sessions.pop(job.run, None)
            job.begun.set()
            job.done.set()

    def watch_for_the_end(self) -> None:
        """Make sure that ``stopping`` is set as soon as the server begins to stop, before requests are waited for."""
        if self._nursery is not None and not self._watched:
            self._watched = True
            self._nursery.start_soon(self._watch)

    async def _watch(self) -> None:
        control = self.host.service(Control)
        while control is not None and not self.stopping.is_set():
            if (await control.status()).get("draining"):
                self.stopping.set()
                for job in self._jobs.values():
                    job.scope.cancel()
            await trio.sleep(_TICK)


class _Begin:
    """An observer that sees a run begin, or go on."""

    def __init__(self, job: Job, owners: Owners) -> None:
        self._job = job
        self._owners = owners

    def see(self, run: str, seen: Record | Progress) -> None:
        """Note it: a name in a file, before anything else is seen of the run."""
        if run == self._job.run and not self._job.begun.is_set():
            if isinstance(seen, RunBegun):
                self._owners.claim(run, self._job.agent)
            self._job.begun.set()


def _stopping() -> Refused:
    return Refused("the server is stopping; ask again when it runs", code="shutting_down", status=503, retry_after=5)


def server_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what runs over HTTP see of the server's environment: what programs need, and no key."""
    taken = {*TAKEN, "HOME", "TMPDIR"}
    return {name: value for name, value in environ.items() if name in taken or name.startswith("LC_")}
