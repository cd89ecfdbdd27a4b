"""``aexl runtime``: handlers of a project, described, run and served."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from aexl.api import Handlers, Host, Invocation, Invoked, Session
from aexl.errors import Unavailable
from aexl_runtime.flags import Flags
from aexl_runtime.invoking import repository_of, run_request, where_of
from aexl_runtime.payers import payer_around

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Run the handlers of a project, confined.")

Project = Annotated[str, typer.Argument(help="The id of a snapshot, or a folder; $EP_FILES_ROOT, else this one.")]
Kind = Annotated[
    str, typer.Option(help="tool, agent, flow, router, http or mcp; without it, a request is read as JSON.")
]
Handler = Annotated[str, typer.Option("--handler", "--name", help="The handler's name.")]
Event = Annotated[str, typer.Option("--event", "--payload", help="Its input, a JSON object.")]
Http = Annotated[str, typer.Option(help="For kind http: JSON with method, path, query, headers, body.")]
Mcp = Annotated[str, typer.Option(help="For kind mcp: JSON with server, tool, args.")]
Ctx = Annotated[str, typer.Option(help="Ids: JSON with tenant_id, workspace_id, project_id, user_id.")]
Milliseconds = Annotated[int, typer.Option("--timeout-ms", help="For import and call together.")]
RequestId = Annotated[str, typer.Option("--request-id", help="The invocation's id; a fresh one by default.")]
TraceId = Annotated[str, typer.Option("--trace-id", help="The trace it belongs to.")]
Agent = Annotated[str, typer.Option(help="Who pays for the models that it asks.")]
Pretty = Annotated[bool, typer.Option("--pretty", help="More than one line.")]
Debug = Annotated[bool, typer.Option("--debug", help="Tracebacks in errors.")]
Runtime = Annotated[str, typer.Option(help="The interpreter, as 'aexl runtime list' shows it; the built-in one.")]
Unsandboxed = Annotated[
    bool, typer.Option("--allow-unsandboxed", help="Run even where the sandbox cannot hold what is required.")
]


@app.command()
def describe(
    context: typer.Context,
    project: Project = "",
    timeout_ms: Milliseconds = 30_000,
    request_id: RequestId = "",
    trace_id: TraceId = "",
    runtime: Runtime = "",
    pretty: Pretty = False,
    debug: Debug = False,
    allow_unsandboxed: Unsandboxed = False,
) -> None:
    """Say what a project has: names, kinds, input schemas. One line of JSON.

    Example: aexl runtime describe ./project
    """
    flags = _flags("describe", timeout_ms, request_id=request_id, trace_id=trace_id)
    _finish(run_request(context.obj, project, flags, "", runtime, debug, allow_unsandboxed), pretty)


@app.command()
def invoke(
    context: typer.Context,
    project: Project = "",
    kind: Kind = "",
    handler: Handler = "",
    event: Event = "",
    http: Http = "",
    mcp: Mcp = "",
    ctx: Ctx = "",
    timeout_ms: Milliseconds = 30_000,
    request_id: RequestId = "",
    trace_id: TraceId = "",
    agent: Agent = "",
    runtime: Runtime = "",
    pretty: Pretty = False,
    debug: Debug = False,
    allow_unsandboxed: Unsandboxed = False,
) -> None:
    """Run a handler, and print one line of JSON; the exit status says how it went.

    Without --kind, --handler, --event, --http and --mcp the request is read from standard input, as the runner takes it.

    Example: aexl runtime invoke ./project --kind tool --handler slugify --event '{"title": "A B"}'
    """
    flags = None
    if kind or handler or event or http or mcp:
        texts = {"kind": kind, "handler": handler, "event": event, "http": http, "mcp": mcp, "ctx": ctx}
        flags = _flags("invoke", timeout_ms, request_id=request_id, trace_id=trace_id, **texts)
    _finish(run_request(context.obj, project, flags, agent, runtime, debug, allow_unsandboxed), pretty)


@app.command()
def execute(
    context: typer.Context,
    project: Project = "",
    handler: Handler = "entry_point.aiel_handler",
    event: Event = "",
    ctx: Ctx = "",
    timeout_ms: Milliseconds = 30_000,
    request_id: RequestId = "",
    trace_id: TraceId = "",
    agent: Agent = "",
    runtime: Runtime = "",
    pretty: Pretty = False,
    debug: Debug = False,
    allow_unsandboxed: Unsandboxed = False,
) -> None:
    """Call a function of the project by module and name, and print one line of JSON.

    Example: aexl runtime execute ./project --handler jobs.nightly.run --event '{"n": 21}'
    """
    texts = {"handler": handler, "event": event, "ctx": ctx}
    flags = _flags("execute", timeout_ms, request_id=request_id, trace_id=trace_id, **texts)
    _finish(run_request(context.obj, project, flags, agent, runtime, debug, allow_unsandboxed), pretty)


@app.command()
def mcp(
    context: typer.Context,
    project: Project = "",
    server: Annotated[str, typer.Option(help="Which mcp_server, where the project has several.")] = "",
    agent: Agent = "",
) -> None:
    """Serve a project's mcp_server over standard input and output.

    Example: aexl runtime mcp ./project --server support
    """
    from aexl.api.mcp import McpSession
    from aexl_runtime.mcp.serving import own_streams, serve_stdio

    session: Session = context.obj
    where = where_of(project)
    reading, writing = own_streams()

    async def work(host: Host) -> None:
        handlers = host.service(Handlers)
        if handlers is None:
            raise Unavailable("nobody runs handlers here; see 'aexl doctor'")
        repository = repository_of(where)
        described = await handlers.describe(where, repository)
        payer = {"agent": agent} if agent else await payer_around(host, os.environ)

        async def call(asked: Mapping[str, Any]) -> Invoked:
            invocation = Invocation(project=where, repository=repository, kind="mcp", mcp=asked, **payer)
            return await handlers.invoke(invocation)

        spoken = McpSession(call, described, server=server or None, version=host.version)
        await serve_stdio(spoken, reading, writing)

    session.run(work)


def _flags(action: str, timeout_ms: int, **texts: str) -> Flags:
    kept = {name: text for name, text in texts.items() if text}
    return Flags(texts={"action": action, "timeout_ms": str(timeout_ms), **kept})


def _finish(ran: tuple[int, dict[str, Any]], pretty: bool) -> None:
    import json

    status, answer = ran
    text = json.dumps(answer, ensure_ascii=False, **({"indent": 2} if pretty else {"separators": (",", ":")}))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    raise typer.Exit(status)
