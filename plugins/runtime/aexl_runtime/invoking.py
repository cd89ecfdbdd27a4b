"""A request of the command line: run by the server, or a folder's by this process alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from aexl.api import Handlers, Host, Invocation, Session
from aexl.errors import AexlError, Invalid, NotFound, Unavailable
from aexl_runtime.flags import Flags
from aexl_runtime.payers import payer_around
from aexl_runtime.protocol.envelopes import Answer
from aexl_runtime.protocol.failures import Failed, Failure
from aexl_runtime.protocol.requests import MAX_REQUEST, Request, parse_request
from aexl_runtime.sandbox.probing import CACHE_NAME
from aexl_runtime.settings import RuntimeConfig, SandboxConfig

_SORTS: Final[Mapping[type[AexlError], str]] = {NotFound: "missing", Invalid: "request", Unavailable: "worker"}
"""What it is for the answer if whoever runs handlers does not begin."""


def where_of(project: str) -> str:
    """Return a snapshot's id as it is, and a folder's absolute path."""
    if len(project) == 64 and not Path(project).exists():
        return project
    return os.path.realpath(project or os.environ.get("EP_FILES_ROOT") or ".")


def repository_of(where: str) -> str | None:
    """Return where a snapshot is looked for first: the project that we are in."""
    return None if Path(where).is_absolute() else str(Path.cwd())


def run_request(
    session: Session, project: str, flags: Flags | None, agent: str, runtime: str, debug: bool, unsandboxed: bool
) -> tuple[int, dict[str, Any]]:
    """Return exit status and answer: by the running server, or for a folder by this process alone."""
    where = where_of(project)
    try:
        request = flags.request() if flags is not None else parse_request(_read_input())
    except Failed as failed:
        answer = Answer(request_id="unknown", failure=failed.failure)
        return answer.exit, answer.json(debug=debug)
    if Path(where).is_dir() and (unsandboxed or session.running() is None) and not (agent or runtime):
        return _run_here(session, where, request, debug=debug, unsandboxed=unsandboxed)
    if unsandboxed:
        raise Invalid("--allow-unsandboxed is for folders; a server's sandbox is configured under [sandbox]")
    invocation = _invocation(where, request, agent, runtime, debug=debug)

    async def work(host: Host) -> tuple[int, dict[str, Any]]:
        handlers = host.service(Handlers)
        if handlers is None:
            raise Unavailable("nobody runs handlers here; see 'aexl doctor'")
        payer = {} if agent else await payer_around(host, os.environ)
        try:
            ran = await handlers.invoke(msgspec.structs.replace(invocation, **payer))
        except tuple(_SORTS) as error:
            sort = next(sort for kind, sort in _SORTS.items() if isinstance(error, kind))
            failure = Failure(sort=sort, message=str(error))
            answer = Answer(request_id=request.request_id, trace_id=request.trace_id, failure=failure)
            return answer.exit, answer.json(debug=debug)
        return ran.exit, dict(ran.answer)

    return session.run(work)


def _run_here(
    session: Session, root: str, request: Request, *, debug: bool, unsandboxed: bool
) -> tuple[int, dict[str, Any]]:
    from aexl_runtime.asking import HttpAsking
    from aexl_runtime.local import run_folder
    from aexl_runtime.policies import policy_of

    environ: Mapping[str, str] = os.environ
    home = session.home
    compat = session.section("runtime", RuntimeConfig).aiel_compat
    sandbox = session.section("sandbox", SandboxConfig)
    answer = run_folder(
        root,
        request,
        policy=policy_of(sandbox),
        ask=HttpAsking(environ.get("AEXL_BASE_URL"), environ.get("AEXL_TOKEN")),
        compat=compat or None,
        debug=debug,
        cache=home / CACHE_NAME if home.is_dir() else None,
        allowed=sandbox.secrets,
        allow_unsandboxed=unsandboxed,
    )
    return answer.exit, answer.json(debug=debug)


def _invocation(where: str, request: Request, agent: str, runtime: str, *, debug: bool) -> Invocation:
    return Invocation(
        project=where,
        repository=repository_of(where),
        runtime=runtime or None,
        action=request.action,  # type: ignore[arg-type]  # one of the three, as it was checked
        kind=request.kind,
        handler=request.handler,
        event=request.event,
        http=request.http,
        mcp=request.mcp,
        id=request.request_id,
        trace=request.trace_id,
        agent=agent or None,
        timeout=request.timeout_ms / 1000,
        identity={name: text for name, text in request.ctx.items() if text is not None},
        capabilities=tuple(name for name, said in request.capabilities.items() if said),
        debug=debug,
    )


def _read_input() -> bytes:
    if not sys.stdin:  # it was closed by who started us
        return b""
    if sys.stdin.isatty():
        raise Invalid("say what to run: --kind and --handler, or a request as JSON on standard input")
    return sys.stdin.buffer.read(MAX_REQUEST + 1)
