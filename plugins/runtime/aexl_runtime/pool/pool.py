"""Which worker does a run: one that is ready for its project and tenant, or a new one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio

from aexl.errors import Unavailable
from aexl_runtime.confined import confine_worker, policy_for
from aexl_runtime.pool.worker import Ask, PooledWorker, start_worker
from aexl_runtime.protocol.envelopes import Answer
from aexl_runtime.protocol.exchange import Exchange, Task
from aexl_runtime.runtimes.interpreters import Interpreter
from aexl_runtime.sandbox.ports import Confinement, Control, Demand, Policy
from aexl_runtime.settings import WorkersConfig

_LOOK: Final = 5.0
"""Seconds between looks for workers that nobody has used for long."""

_MOST_UNKEEPABLE: Final = 1000
"""Projects that are known to be no good for a kept worker; more than that, and it is tried with each again."""


class Kind(NamedTuple):
    """What a kept worker is good for: runs of one project for one tenant, under the same terms."""

    root: str
    snapshot_id: str | None
    tenant: str
    compat: bool
    capabilities: tuple[str, ...]
    debug: bool
    generation: int
    interpreter: Interpreter | None


class Pool:
    """Workers, bounded in number. ``running`` must be open while runs are done.

    Args:
        policy: What a worker may do.
        cache: Where is kept what this machine can do.

    Attributes:
        counts: Runs by how their worker was had: ``warm``, ``cold``, ``kept`` (started to be kept).
    """

    def __init__(self, config: WorkersConfig, policy: Policy, cache: Path | None) -> None:
        self.config = config
        self.policy = policy
        self._cache = cache
        self._idle: dict[Kind, list[PooledWorker]] = {}
        self._working = 0
        self._waiting = 0
        self._room = trio.Condition()
        self._unkeepable: set[Kind] = set()
        self._generation = 0
        self.counts = {"warm": 0, "kept": 0, "cold": 0}

    def follow(self, config: WorkersConfig, policy: Policy) -> None:
        """Do further runs in workers that are started as these say. Must not wait."""
        if (config, policy) != (self.config, self.policy):
            self._generation += 1
        self.config = config
        self.policy = policy

    @property
    def size(self) -> int:
        """How many workers there are."""
        return self._working + sum(map(len, self._idle.values()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the workers; ends them on leaving."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_after)
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):
                    await self.clear()

    async def run(
        self,
        task: Task,
        ask: Ask,
        *,
        tenant: str = "",
        env: Mapping[str, str] | None = None,
        interpreter: Interpreter | None = None,
    ) -> Answer:
        """Do a run; what goes wrong in it is in the answer.

        Args:
            tenant: Whose it is: a kept worker serves no two.
            env: Declared variables, for a worker of its own.
            interpreter: Of a named runtime; the built-in one, if left out.

        Raises:
            Failed: If the sandbox cannot be had as it is required.
            Unavailable: If too many runs wait already.
        """
        kind = self._kind(task, tenant, interpreter)
        cold = env or self.config.mode == "cold" or kind in self._unkeepable or task.request.action != "invoke"
        async with self._place():
            if cold or self._requires_whole_cpu():
                return await self._run_cold(Exchange(task), task.root, ask, env, interpreter)
            return await self._run_kept(kind, task, ask)

    def _kind(self, task: Task, tenant: str, interpreter: Interpreter | None) -> Kind:
        granted = tuple(sorted(name for name, said in task.request.capabilities.items() if said))
        terms = (tenant, task.compat, granted, task.debug, self._generation, interpreter)
        return Kind(task.root, task.snapshot_id, *terms)

    def _requires_whole_cpu(self) -> bool:
        return self.policy.demand(Control.CPU) is Demand.REQUIRE

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Wait for a place among the workers that work; an idle worker makes room."""
        async with self._room:
            if self._working >= self.config.workers and self._waiting >= self.config.queue:
                raise Unavailable(f"{self._waiting} runs wait for a worker already; try again, or raise workers.queue")
            self._waiting += 1
            try:
                while self._working >= self.config.workers:
                    await self._room.wait()
            finally:
                self._waiting -= 1
            self._working += 1
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                async with self._room:
                    self._working -= 1
                    self._room.notify()

    async def _run_cold(
        self, exchange: Exchange, root: str, ask: Ask, env: Mapping[str, str] | None, interpreter: Interpreter | None
    ) -> Answer:
        self.counts["cold"] += 1
        policy = policy_for(self.policy, seconds=exchange.seconds_left)
        worker = await self._start(root, policy, env, interpreter)
        try:
            await worker.run(exchange, ask, kept=False)
        finally:
            await worker.close()
        return exchange.answer(worker.confinement.report.json())

    async def _run_kept(self, kind: Kind, task: Task, ask: Ask) -> Answer:
        worker = self._take(kind)
        exchange = Exchange(task._replace(cold=worker is None))
        if worker is not None:
            self.counts["warm"] += 1
        else:
            await self._make_room()
            worker = await self._start_kept(kind, exchange)
            if not worker.ready:
                return await self._run_unkept(kind, exchange, worker, ask)
            self.counts["kept"] += 1
        exchange.start_imported()
        sound = False
        try:
            sound = await worker.run(exchange, ask, kept=True)
        finally:
            await self._give_back(kind, worker, sound=sound)
        return exchange.answer(_kept_report(worker, self.policy))

    async def _run_unkept(self, kind: Kind, exchange: Exchange, tried: PooledWorker, ask: Ask) -> Answer:
        """Do the run without a kept worker, in the time that trying to have one has left."""
        await tried.close()
        if not exchange.seconds_left:
            exchange.time_out()
            return exchange.answer(_kept_report(tried, self.policy))
        self._unkeepable.add(kind)
        if len(self._unkeepable) > _MOST_UNKEEPABLE:
            self._unkeepable.clear()
        return await self._run_cold(exchange, kind.root, ask, None, kind.interpreter)

    def _take(self, kind: Kind) -> PooledWorker | None:
        workers = self._idle.get(kind, [])
        while workers:
            worker = workers.pop()
            if worker.alive:
                return worker
        return None

    async def _start_kept(self, kind: Kind, exchange: Exchange) -> PooledWorker:
        """Start a worker, and let it import the project, where it may be kept; says by ``ready`` whether it can."""
        policy = policy_for(self.policy, seconds=None)
        worker = await self._start(kind.root, policy, None, kind.interpreter)
        if not worker.confinement.separates:
            return worker
        order = {
            "t": "serve",
            "root": kind.root,
            "compat": kind.compat,
            "debug": kind.debug,
            "mode": self.config.mode,
            "private_files": worker.confinement.order.private_files,
            "cpu_seconds": self.policy.cpu_seconds,
            "request": {"action": "invoke", "capabilities": dict.fromkeys(kind.capabilities, True)},
        }
        try:
            await worker.prepare(order, exchange.seconds_left)
        except BaseException:
            await worker.close()
            raise
        return worker

    async def _start(
        self, root: str, policy: Policy, env: Mapping[str, str] | None, interpreter: Interpreter | None
    ) -> PooledWorker:
        ending = os.pipe()
        try:
            confinement: Confinement = await trio.to_thread.run_sync(
                lambda: confine_worker(
                    root,
                    policy,
                    forked=False,
                    env=env,
                    cache=self._cache,
                    ending_fd=ending[1],
                    interpreter=interpreter,
                )
            )
        except BaseException:
            os.close(ending[0])
            os.close(ending[1])
            raise
        return await start_worker(confinement, policy, ending)

    async def _give_back(self, kind: Kind, worker: PooledWorker, *, sound: bool) -> None:
        if (
            sound
            and kind.generation == self._generation
            and worker.uses < self.config.uses
            and self.size <= self.config.workers
        ):
            self._idle.setdefault(kind, []).append(worker)
        else:
            await worker.close()

    async def _make_room(self) -> None:
        """End the worker that has been idle longest, where there are as many as may be."""
        while self.size > self.config.workers:
            kinds = [kind for kind, workers in self._idle.items() if workers]
            if not kinds:
                return
            oldest = min(kinds, key=lambda kind: self._idle[kind][0].idle_since)
            await self._idle[oldest].pop(0).close()

    async def _look_after(self) -> None:
        while True:
            await trio.sleep(_LOOK)
            before = trio.current_time() - self.config.idle_seconds
            for kind, workers in list(self._idle.items()):
                stale = [worker for worker in workers if self._is_stale(kind, worker, before)]
                self._idle[kind] = [worker for worker in workers if worker not in stale]
                if not self._idle[kind]:
                    del self._idle[kind]
                for worker in stale:
                    await worker.close()

    def _is_stale(self, kind: Kind, worker: PooledWorker, before: float) -> bool:
        return kind.generation != self._generation or worker.idle_since < before or not worker.alive

    async def clear(self) -> None:
        """End all idle workers."""
        idle, self._idle = self._idle, {}
        for workers in idle.values():
            for worker in workers:
                await worker.close()


def _kept_report(worker: PooledWorker, policy: Policy) -> Mapping[str, Any]:
    """Return what holds for one run of a kept worker: its time is watched by the host, its CPU time by process only."""
    report: dict[str, Any] = worker.confinement.report.json()
    off = [name for name in report["off"] if name not in ("wall", "cpu")]
    enforced, lacking = dict(report["enforced"]), dict(report["not_enforced"])
    if policy.wants(Control.WALL):
        enforced["wall"] = ["supervision"]
    else:
        off.append("wall")
    if policy.wants(Control.CPU):
        lacking["cpu"] = "only in part: in a kept worker the limit is each process's own"
    else:
        off.append("cpu")
    return {"enforced": enforced, "not_enforced": lacking, "off": off}
