"""Tools as a provider of the call path: planned, admitted, priced and booked as any call is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
import trio

from aexl.api import Call, Config, Headers, Invocation, Invoked, Plan, Provider, Surface, Target, Usage
from aexl.errors import AexlError, ConfigError, Problem
from aexl_runtime.protocol.failures import Failed, Failure
from aexl_runtime.tools.offers import Tool, read_tools
from aexl_runtime.tools.outputs import Output

if TYPE_CHECKING:
    from aexl_runtime.sandbox.ports import Report
    from aexl_runtime.service import HandlerService
    from aexl_runtime.tools.manifest import Manifest

    GetService = Callable[[], Awaitable[HandlerService]]

NAME: Final = "tools"
_JSON: Headers = ((b"content-type", b"application/json"),)
_STATUSES: Final = {"timeout": 504, "sandbox": 503, "worker": 503}
"""By the sort of failure; all others are 400: the tool did not do what it was asked."""


class ToolsType:
    """Offers the provider of ``[tools.<name>]``; no table of ``[providers]`` makes one."""

    name = NAME

    def __init__(self, service: GetService) -> None:
        self._service = service

    def build(self, name: str, table: Mapping[str, object]) -> Provider:  # noqa: ARG002 - the interface's
        """Refuse."""
        raise ConfigError(
            [Problem(key=f"providers.{name}.type", message="tools are offered by [tools.<name>], not by a provider")]
        )

    def standing(self, config: Config) -> Provider | None:
        """Return the provider of all tools, if there are any."""
        tools = read_tools(config)
        return ToolsProvider(tools, self._service) if tools else None


class ToolsProvider:
    """Runs tools."""

    name = NAME
    surfaces: frozenset[Surface] = frozenset({"tools"})

    def __init__(self, tools: Mapping[str, Tool], service: GetService) -> None:
        self._tools = tools
        self._service = service

    def plan(self, call: Call) -> Plan | None:
        """Plan a use of a tool: it costs its price, whatever it does."""
        tool = self._tools.get(call.model)
        if tool is None:
            return None
        target = Target(provider=NAME, model=tool.name, price=tool.price_table())
        return Plan(
            targets=(target,),
            input_bound=0,
            output_bound=0,
            output_floor=0,
            fixed=tool.price,
            output_price=0,
            hold=tool.price,
        )

    def open(self, call: Call, target: Target) -> _Use:
        """Run a tool to its end; what it answers is one piece."""
        return _Use(self._tools[target.model], call, self._service)


class _Use:
    """One use of a tool, and its answer."""

    upstream_id = None
    headers = _JSON

    def __init__(self, tool: Tool, call: Call, service: GetService) -> None:
        self._tool = tool
        self._call = call
        self._service = service
        self.status = 200
        self.usage: Usage | None = None
        self.chunks: trio.MemoryReceiveChannel[bytes]

    @property
    def finished(self) -> bool:
        """The answer was whole from the beginning."""
        return True

    async def __aenter__(self) -> Self:
        body = msgspec.json.encode(await self._run())
        self.usage = Usage(tool_uses={self._tool.name: 1})
        send, self.chunks = trio.open_memory_channel[bytes](1)
        await send.send(body)
        send.close()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.chunks.close()

    async def _run(self) -> dict[str, Any]:
        arguments = self._call.body.get("arguments")
        try:
            if self._tool.manifest is None:
                found = await self._invoke(arguments)
            else:
                found = await self._run_program(self._tool.manifest, arguments)
        except Failed as failed:
            return self._failed(failed.failure.sort, failed.failure)
        except AexlError as error:
            return self._failed("worker", Failure(sort="worker", message=str(error)))
        return {
            "tool_name": self._tool.name,
            "result": found.result,
            "stdout": found.stdout,
            "stderr": found.stderr,
        }

    async def _run_program(self, manifest: Manifest, arguments: object) -> Output:
        from aexl_runtime.tools.program import run_program

        service = await self._service()
        reports: list[Report] = []
        begun = trio.current_time()
        try:
            found = await run_program(
                manifest,
                arguments,
                service.pool.policy,
                seconds=self._tool.timeout,
                execution=self._call.id,
                cache=service.cache,
                confined=reports.append,
            )
        except Failed as failed:
            await self._record(service, manifest, failed.failure.kind.code, reports, begun)
            raise
        await self._record(service, manifest, "ok", reports, begun)
        return found

    async def _record(
        self, service: HandlerService, manifest: Manifest, code: str, reports: Sequence[Report], begun: float
    ) -> None:
        from aexl_runtime.recording import Ran, record

        ran = Ran(
            id=self._call.id,
            project=manifest.sha256,
            kind="program",
            handler=self._tool.name,
            agent=self._call.principal.agent,
            code=code,
            runtime="",
            milliseconds=int((trio.current_time() - begun) * 1000),
            warm=False,
            sandbox=reports[0].json() if reports else None,
        )
        await record(service.host, ran)

    async def _invoke(self, arguments: object) -> Output:
        tool = self._tool
        service = await self._service()
        ran, answer = await service.run(
            Invocation(
                project=tool.project,
                kind="tool",
                handler=tool.handler,
                event=arguments if isinstance(arguments, dict) else {"input": arguments},
                agent=self._call.principal.agent,
                timeout=tool.timeout,
                id=self._call.id,
            )
        )
        if answer.failure is not None:
            raise Failed(answer.failure)
        return Output(ran.result, _printed(ran, ("stdout", "output")), _printed(ran, ("stderr",)))

    def _failed(self, sort: str, failure: Failure) -> dict[str, Any]:
        self.status = _STATUSES.get(sort, 400)
        message = f"Tool execution failed: {failure.message}"
        code = {"timeout": "tool_timeout"}.get(sort, "tool_failed")
        return {
            "error": {"message": message, "type": "tool_error", "param": None, "code": code},
            "tool_name": self._tool.name,
        }


def _printed(ran: Invoked, streams: tuple[str, ...]) -> str:
    records = ran.answer["meta"]["logs"]
    return "".join(f"{record['fields']['text']}\n" for record in records if record["event"] in streams)
