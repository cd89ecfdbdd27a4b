"""Running handlers: each run is written down before it begins, and its end with it.

A run belongs to the plane and not to the request that asked for it: a client that
leaves finds its answer under the execution's id, or by asking again with its key.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal, NamedTuple

import apsw
import msgspec
import trio

from aexl.api import Host, uuid7
from aexl.errors import AexlError, Refused, Unavailable
from aexl_plane.deployments.environments import Environments
from aexl_plane.executions.asked import Asked, Recorded
from aexl_plane.executions.live import LiveRun, Outcome
from aexl_plane.executions.running import Runner
from aexl_plane.executions.turns import Turns
from aexl_plane.options import PlaneOptions
from aexl_plane.records import Execution
from aexl_plane.storage import executions as rows
from aexl_plane.storage.database import Database
from aexl_plane.storage.executions import Payload, Queued

AGAIN_SECONDS: Final = 1.0
"""When a project that has as many runs as it may is to ask again."""


class Order(NamedTuple):
    """What to run, for whom.

    Attributes:
        runtime: The interpreter's name; empty for the built-in one.
        agent: Who pays; ``None`` where the workers' configuration decides.
        digest: Says whether two requests with the same key are the same.
    """

    project: str
    environment: str | None
    deployment: str | None
    snapshot: str
    runtime: str
    asked: Asked
    identity: dict[str, str]
    agent: str | None
    by: str
    digest: str
    key: str | None = None
    replays: str | None = None


class ExecutionService:
    """Runs of handlers. ``running`` must be open."""

    def __init__(
        self, host: Host, database: Database, options: Callable[[], PlaneOptions], environments: Environments
    ) -> None:
        self._database = database
        self._environments = environments
        self._options = options
        self._runner = Runner(host, database, lambda: options().payload_bytes)
        self._live: dict[str, LiveRun] = {}
        self._waited_for: Counter[str] = Counter()
        self._turns = Turns()
        self._nursery: trio.Nursery | None = None

    @asynccontextmanager
    async def running(self, *, resume: bool) -> AsyncIterator[None]:
        """Hold the runs; leaving it ends them.

        Args:
            resume: What the last server left is dealt with: what ran is lost, what was queued is run.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                if resume:
                    await self._resume()
                yield
            finally:
                self._nursery = None
                nursery.cancel_scope.cancel()

    async def _resume(self) -> None:
        await self._database.write(lambda db: rows.lose_running(db, time.time()))
        for queued in await self._database.read(rows.list_queued):
            execution = await self.get(queued.project, queued.id)
            self._live[queued.id] = LiveRun(execution)
            self._turns.enter(queued)
        self._start_turns()

    async def run(self, order: Order) -> Outcome:
        """Run a handler, and wait for its end. If cancelled, it runs on.

        Raises:
            Refused: 429 if the project has as many runs as it may, 422 if its key belongs to another request.
            AexlError: If it was not run, or its end could not be kept.
        """
        self._runner.check()
        project, most = order.project, self._options().sync_running
        if self._waited_for[project] >= most:
            raise Refused(
                f"{most} runs of this project are waited for already; [plane] sync_running allows no more",
                code="too_many_executions",
                status=429,
                retry_after=AGAIN_SECONDS,
            )
        self._waited_for[project] += 1
        execution = _execution(order, "sync")
        live = LiveRun(execution)
        self._live[execution.id] = live
        kept = False
        try:
            earlier, recorded = await self._begin(order, execution)
            kept = earlier is None
            if earlier is None:
                self._start_soon(self._run_waited_for, live, recorded)
        finally:
            if not kept:
                del self._live[execution.id]
                self._waited_for[project] -= 1
        if earlier is not None:
            return await self._again(order, earlier, wait=True)
        return await live.outcome()

    async def enqueue(self, order: Order) -> Outcome:
        """Let a handler run when it is its turn; durable when this returns.

        Raises:
            Refused: 429 if too many of the project wait, 422 if its key belongs to another request, 413 if the
                request is too large to be kept.
        """
        self._runner.check()
        project, options = order.project, self._options()
        self._turns.hold(project, options.async_queued)
        execution = _execution(order, "async")
        live = LiveRun(execution)
        self._live[execution.id] = live
        kept = False
        try:
            earlier, _ = await self._begin(order, execution)
            kept = earlier is None
        finally:
            self._turns.release(project)
            if not kept:
                del self._live[execution.id]
        if earlier is not None:
            return await self._again(order, earlier, wait=False)
        self._turns.enter(Queued(execution.id, project))
        self._start_turns()
        return Outcome(execution)

    async def _begin(self, order: Order, execution: Execution) -> tuple[Execution | None, Recorded]:
        options, recorded = self._options(), Recorded(asked=order.asked, identity=order.identity)
        request: str | None = msgspec.json.encode(recorded).decode()
        assert request is not None
        if len(request) > options.payload_bytes:
            if execution.mode == "async":
                raise Refused(
                    f"a request that is to wait has {options.payload_bytes} bytes at most, not {len(request)}",
                    code="body_too_large",
                    status=413,
                )
            request = None
        expires = execution.created + options.payload_seconds
        earlier = await self._database.write(lambda db: rows.begin(db, execution, request, expires))
        return earlier, recorded

    async def _again(self, order: Order, earlier: Execution, *, wait: bool) -> Outcome:
        """Answer what was asked before with the same key."""
        if earlier.digest != order.digest:
            raise Refused(
                "this idempotency key belongs to another request of this project; use another key",
                code="idempotency_mismatch",
                status=422,
                param="idempotency-key",
            )
        live = self._live.get(earlier.id)
        if wait and live is not None:
            return (await live.outcome())._replace(replayed=True)
        return (await self.find(order.project, earlier.id))._replace(replayed=True)

    async def get(self, project: str, id: str) -> Execution:
        """Return an execution of a project.

        Raises:
            NotFound: If the project has no such one.
        """
        return await self._database.read(lambda db: rows.find_execution(db, project, id))

    async def find(self, project: str, id: str) -> Outcome:
        """Return what is known of an execution.

        Raises:
            NotFound: If the project has no such one.
        """
        return _outcome(*await self._read(project, id))

    async def _read(self, project: str, id: str) -> tuple[Execution, Payload | None]:
        return await self._database.read(lambda db: (rows.find_execution(db, project, id), rows.find_payload(db, id)))

    async def recorded(self, project: str, id: str) -> tuple[Outcome, Recorded]:
        """Return an execution with what was asked.

        Raises:
            NotFound: If the project has no such one.
            Refused: 410 if what was asked is not kept any more, or was too large to be kept.
        """
        execution, payload = await self._read(project, id)
        if payload is None or payload.request is None:
            why = "has expired" if payload is None else "was too large to be kept"
            raise Refused(f"the request of execution {id} {why}", code="payload_gone", status=410)
        return _outcome(execution, payload), msgspec.json.decode(payload.request, type=Recorded)

    async def list(
        self, project: str, environment: str | None, status: str | None, before: str | None, limit: int
    ) -> list[Execution]:
        """Return executions, newest first.

        Args:
            before: The id of one; only older ones are returned.

        Raises:
            NotFound: If the project has no such environment, or no execution ``before``.
        """

        def work(db: apsw.Connection) -> list[Execution]:
            if environment is not None:
                self._environments.find(db, project, environment)
            mark = None if before is None else rows.find_execution(db, project, before)
            found = rows.list_executions(db, project, environment=environment, status=status, before=mark, limit=limit)
            return list(found)

        return await self._database.read(work)

    def live(self, project: str, id: str) -> LiveRun | None:
        """Return an execution of a project that has not ended."""
        found = self._live.get(id)
        return found if found is not None and found.execution.project == project else None

    async def cancel(self, project: str, id: str, by: str) -> Outcome:
        """End an execution that waits or runs; what it started has ended when this returns.

        One that has ended already stays as it is.

        Raises:
            NotFound: If the project has no such one.
        """
        live, execution = self.live(project, id), await self.get(project, id)
        if live is None:
            return await self.find(project, id)
        now = time.time()
        if execution.status == "queued" and await self._database.write(lambda db: rows.cancel(db, execution, by, now)):
            self._turns.leave(Queued(id, project))
            ended = msgspec.structs.replace(execution, status="cancelled", code="CANCELLED", ended=now)
            self._live.pop(id, None)
            live.end(Outcome(ended))
            return Outcome(ended)
        live.cancelled_by = by
        live.scope.cancel()
        try:
            return await live.outcome()
        except AexlError:  # it ended in its own way at the same moment
            return await self.find(project, id)

    def _start_soon(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        if self._nursery is None:
            raise Unavailable("the server goes down")
        self._nursery.start_soon(work, *arguments)

    async def _run_waited_for(self, live: LiveRun, recorded: Recorded) -> None:
        try:
            await self._runner.run(live, recorded)
        finally:
            self._waited_for[live.execution.project] -= 1
            if not self._waited_for[live.execution.project]:
                del self._waited_for[live.execution.project]
            del self._live[live.execution.id]

    def _start_turns(self) -> None:
        options = self._options()
        while (queued := self._turns.take(options.async_running, options.async_together)) is not None:
            self._start_soon(self._run_queued, queued)

    async def _run_queued(self, queued: Queued) -> None:
        try:
            live = self._live.get(queued.id)
            if live is not None:  # else it was cancelled in the last moment
                await self._runner.run_queued(live)
        finally:
            self._live.pop(queued.id, None)
            self._turns.done(queued.project)
            if self._nursery is not None:
                self._start_turns()

    async def sweep(self) -> None:
        """Remove payloads and executions whose time is over."""
        while True:
            now, options = time.time(), self._options()
            removed = await self._database.write(
                lambda db: rows.drop_expired(db, now, now - options.execution_seconds)  # noqa: B023 - called here
            )
            if removed < rows.SWEPT:
                return


def _outcome(execution: Execution, payload: Payload | None) -> Outcome:
    return Outcome(
        execution, None if payload is None or payload.answer is None else msgspec.json.decode(payload.answer)
    )


def _execution(order: Order, mode: Literal["sync", "async"]) -> Execution:
    now = time.time()
    return Execution(
        id=uuid7(),
        project=order.project,
        environment=order.environment,
        deployment=order.deployment,
        snapshot=order.snapshot,
        runtime=order.runtime,
        action=order.asked.action,
        kind=order.asked.kind or "",
        handler=order.asked.name,
        mode=mode,
        status="running" if mode == "sync" else "queued",
        http_status=None,
        code=None,
        replays=order.replays,
        key=order.key,
        digest=order.digest,
        agent=order.agent,
        by=order.by,
        created=now,
        started=now if mode == "sync" else None,
        ended=None,
    )
