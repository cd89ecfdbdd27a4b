"""The role ``Handlers``: runs of projects, in workers of the pool, told to the ledger."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from aexl.api import BUILTIN, Config, Host, Invocation, Invoked, RuntimeOffer, Sample, uuid7
from aexl.api.handlers import Heard
from aexl.errors import Invalid, NotFound, Unavailable
from aexl_runtime.folders import check_entry, granted_secrets
from aexl_runtime.models import GovernedAsking
from aexl_runtime.offering import builtin_offer
from aexl_runtime.policies import policy_of
from aexl_runtime.pool.pool import Pool
from aexl_runtime.projects import Project, Projects
from aexl_runtime.protocol.envelopes import Answer
from aexl_runtime.protocol.exchange import Task
from aexl_runtime.protocol.failures import Failed, Failure
from aexl_runtime.protocol.requests import Request, request_of
from aexl_runtime.recording import Ran, name_of, record
from aexl_runtime.runtimes.interpreters import Interpreter, Interpreters
from aexl_runtime.runtimes.tables import read_tables
from aexl_runtime.sandbox.probing import CACHE_NAME
from aexl_runtime.settings import RuntimeConfig, RuntimeTable, SandboxConfig, WorkersConfig


class HandlerService:
    """See ``aexl.api.Handlers``. ``running`` must be open."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._config = host.current.section(WorkersConfig)
        self._sandbox = host.current.section(SandboxConfig)
        self._runtime = host.current.section(RuntimeConfig)
        self._interpreters = _interpreters(host.current, host)
        self._projects = Projects(host, self._config.snapshots)
        self.cache = host.data_dir / CACHE_NAME
        self.pool = Pool(self._config, policy_of(self._sandbox), self.cache)
        self._ended: dict[str, int] = {}

    async def prepare(self, config: Config) -> Callable[[], None]:
        """Follow the configuration; see ``aexl.api.Reloadable``. Workers of before do no further runs."""
        workers, sandbox = config.section(WorkersConfig), config.section(SandboxConfig)
        policy = policy_of(sandbox)
        interpreters = await trio.to_thread.run_sync(_interpreters, config, self.host)

        def swap() -> None:
            self._interpreters = interpreters
            self._config, self._sandbox, self._runtime = workers, sandbox, config.section(RuntimeConfig)
            self._projects.most = workers.snapshots
            self.pool.follow(workers, policy)

        return swap

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look after the workers."""
        async with self.pool.running():
            yield

    def samples(self) -> Iterator[Sample]:
        """Return the numbers for ``/metrics``."""
        for start, count in self.pool.counts.items():
            yield Sample(
                name="aexl_runtime_runs_total",
                kind="counter",
                help="Runs of handlers, by how their worker was had.",
                value=count,
                labels={"worker": start},
            )
        for ended, count in self._ended.items():
            yield Sample(
                name="aexl_runtime_ended_total",
                kind="counter",
                help="Runs of handlers that have ended, by the code of their error or 'ok'.",
                value=count,
                labels={"code": ended},
            )
        yield Sample(
            name="aexl_runtime_workers", kind="gauge", help="Workers of handlers, idle or not.", value=self.pool.size
        )

    async def describe(
        self, project: str, repository: str | None = None, runtime: str | None = None
    ) -> Mapping[str, object]:
        """Return what a project has."""
        asked = Invocation(project=project, repository=repository, runtime=runtime, action="describe")
        ran = await self.invoke(asked)
        if ran.ok:
            described: Mapping[str, object] = ran.result
            return described
        error = ran.answer["error"]
        kinds: dict[int, type[NotFound | Invalid | Unavailable]] = {404: NotFound, 503: Unavailable}
        raise kinds.get(ran.status, Invalid)(error["message"])

    async def runtimes(self) -> Sequence[RuntimeOffer]:
        """Return the interpreters, and what each offers."""
        compat = self._runtime.aiel_compat
        interpreters = self._interpreters
        builtin = await trio.to_thread.run_sync(lambda: builtin_offer(self.host.data_dir / "plugins", compat=compat))
        return [builtin, *await trio.to_thread.run_sync(interpreters.offers, compat)]

    async def invoke(self, invocation: Invocation, *, heard: Heard | None = None) -> Invoked:
        """Run a handler, whoever asks."""
        return (await self.run(invocation, heard))[0]

    async def run(self, invocation: Invocation, heard: Heard | None = None) -> tuple[Invoked, Answer]:
        """Run a handler; return its answer also as it was made."""
        run_id = invocation.id or uuid7()
        project: Project | None = None
        agent = invocation.agent or self._config.agent or None
        asking = GovernedAsking(self.host, run_id, agent, time.time() + invocation.timeout, invocation.labels)
        try:
            request = _request(invocation, run_id)
            interpreter = await self._interpreter(invocation.runtime)
            project = await self._projects.find(invocation.project, invocation.repository)
            check_entry(project.root)
            answer = await self._run(invocation, request, project, interpreter, asking, heard)
        except Failed as failed:
            answer = _refusal(run_id, invocation, failed.failure)
        await self._record(invocation, answer, project, asking.payer)
        whole = answer.json(debug=invocation.debug)
        invoked = Invoked(
            id=run_id,
            ok=answer.failure is None,
            status=whole["http_status"],
            exit=answer.exit,
            result=answer.result,
            answer=whole,
            spent=asking.spent,
        )
        return invoked, answer

    async def _interpreter(self, name: str | None) -> Interpreter | None:
        """Return a named runtime's interpreter, ``None`` for the built-in one."""
        if name is None or name == BUILTIN:
            return None
        return await trio.to_thread.run_sync(self._interpreters.find, name)

    async def _run(
        self,
        invocation: Invocation,
        request: Request,
        project: Project,
        interpreter: Interpreter | None,
        asking: GovernedAsking,
        heard: Heard | None,
    ) -> Answer:
        secrets = granted_secrets(project.settings, self._sandbox.secrets)
        task = Task(
            request=request,
            root=project.root,
            snapshot_id=project.snapshot_id,
            compat=self._runtime.aiel_compat or project.settings.get("aiel_compat") is True,
            secrets=secrets,
            debug=invocation.debug,
            hash_ms=project.hash_ms,
            heard=heard,
        )
        tenant = f"{asking.payer}\0{invocation.identity.get('tenant_id', '')}"
        try:
            return await self.pool.run(task, asking, tenant=tenant, env=secrets, interpreter=interpreter)
        finally:
            await asking.close()

    async def _record(self, invocation: Invocation, answer: Answer, project: Project | None, payer: str) -> None:
        failure = answer.failure
        ended = "ok" if failure is None else failure.kind.code
        self._ended[ended] = self._ended.get(ended, 0) + 1
        if invocation.action == "describe":
            return
        ran = Ran(
            id=answer.request_id,
            project=project.snapshot_id if project is not None else invocation.project,
            kind=invocation.kind or invocation.action,
            handler=name_of(invocation),
            agent=payer,
            code=ended,
            runtime=invocation.runtime or BUILTIN,
            milliseconds=answer.duration_ms,
            warm=not answer.cold_start,
            sandbox=answer.sandbox,
        )
        await record(self.host, ran)


def _interpreters(config: Config, host: Host) -> Interpreters:
    return Interpreters(host.data_dir, read_tables(config.mapping(RuntimeTable), host.data_dir))


def _request(invocation: Invocation, run_id: str) -> Request:
    meta: dict[str, Any] = {
        "request_id": run_id,
        "trace_id": invocation.trace,
        "timeout_ms": round(invocation.timeout * 1000),
        "capabilities": dict.fromkeys(invocation.capabilities, True),
    }
    return request_of(
        {
            "action": invocation.action,
            "kind": invocation.kind,
            "handler": invocation.handler,
            "event": dict(invocation.event),
            "http": invocation.http,
            "mcp": invocation.mcp,
            "meta": meta,
            "ctx": dict(invocation.identity),
        }
    )


def _refusal(run_id: str, invocation: Invocation, failure: Failure) -> Answer:
    return Answer(request_id=run_id, trace_id=invocation.trace, failure=failure)
