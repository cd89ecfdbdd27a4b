"""``use: call`` in a pipeline: a handler of a project as a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from aexl.api import Handlers, Host, Invocation, Step, StepRun
from aexl.errors import ConfigError, Invalid, Problem, Refused, Unavailable
from aexl_runtime.payers import payer_of
from aexl_runtime.protocol.requests import MAX_TIMEOUT


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a step of ``use: call`` may say.

    Attributes:
        handler: The name; of ``http``: ``METHOD /path``; of ``mcp``: ``SERVER/TOOL``; of ``execute``: ``module.function``.
        kind: ``tool``, ``agent``, ``flow``, ``router``, ``http``, ``mcp`` or ``execute``.
        project: The id of a snapshot, or a folder below the run's, relative to it; the run's own if left out.
        event: What the handler gets.
        timeout: Seconds, from a thousandth to a day.
        agent: Who pays for the models that it asks, in a run that is not governed.
    """

    handler: str
    kind: str = "tool"
    project: str = ""
    event: dict[str, Any] = {}
    timeout: float = 30.0
    agent: str = ""


_DENIALS: Final = {402: "insufficient_budget", 403: "policy_denied", 423: "agent_not_ready"}
"""What a model that was refused means for the step, by status."""

_LONGEST: Final = MAX_TIMEOUT // 1000

KINDS = ("tool", "agent", "flow", "router", "http", "mcp", "execute")


class CallStep:
    """The word ``call``."""

    name = "call"

    def __init__(self, host: Host) -> None:
        self._host = host

    def parse(self, arguments: Mapping[str, object]) -> Step:
        """Check the arguments."""
        try:
            read = msgspec.convert(dict(arguments), Arguments)
        except msgspec.ValidationError as error:
            raise ConfigError([Problem(key="call", message=str(error))]) from error
        problems = list(_problems(read))
        if problems:
            raise ConfigError(problems)
        return _Call(self._host, read)


def _problems(read: Arguments) -> Iterator[Problem]:
    if read.kind not in KINDS:
        yield Problem(key="call.kind", message=f"must be one of {', '.join(KINDS)}, not {read.kind!r}")
    if read.kind in ("http", "mcp") and not all(_halves(read)):
        shape = "METHOD /path" if read.kind == "http" else "SERVER/TOOL"
        yield Problem(key="call.handler", message=f"must be {shape!r}, not {read.handler!r}")
    if Path(read.project).is_absolute() or ".." in Path(read.project).parts:
        yield Problem(key="call.project", message=f"must be a folder below the run's, not {read.project!r}")
    if not 0.001 <= read.timeout <= _LONGEST:
        yield Problem(key="call.timeout", message=f"must be from 0.001 to {_LONGEST} seconds, not {read.timeout:g}")


def _halves(arguments: Arguments) -> tuple[str, str]:
    first, _, second = arguments.handler.partition(" " if arguments.kind == "http" else "/")
    return first, second


class _Call:
    def __init__(self, host: Host, arguments: Arguments) -> None:
        self._host = host
        self._arguments = arguments

    async def run(self, run: StepRun) -> Mapping[str, object]:
        """Run the handler; its result is the output ``result``.

        Raises:
            Invalid: If the handler failed; says how.
            Refused: If it failed because a model was refused.
        """
        handlers = self._host.service(Handlers)
        if handlers is None:
            raise Unavailable("nobody runs handlers here; see 'aexl doctor'")
        ran = await handlers.invoke(msgspec.structs.replace(self._invocation(run), **await self._payer(run)))
        for record in ran.answer["meta"]["logs"]:
            run.log(_shown(record))
        if not ran.ok:
            error = ran.answer["error"]
            said = f"{self._arguments.kind} {self._arguments.handler!r} failed: {error['code']}: {error['message']}"
            if ran.status in _DENIALS and error["details"].get("exception_type") == "ModelRefused":
                raise Refused(said, code=_DENIALS[ran.status], status=ran.status)
            raise Invalid(said)
        return {"result": ran.result, "status": ran.status, "invocation": ran.id}

    async def _payer(self, run: StepRun) -> Mapping[str, Any]:
        """Return who pays, and what the executions are labelled with: a governed run's own agent, and no other."""
        named = self._arguments.agent
        if run.access is None:
            return {"agent": named or None}
        if named:
            raise Invalid(
                f"the run is governed, so its own agent pays for models, and not {named!r}; leave 'agent' out"
            )
        return await payer_of(self._host, run.access.token)

    def _invocation(self, run: StepRun) -> Invocation:
        given = self._arguments
        common: dict[str, Any] = {"timeout": given.timeout}
        if _is_snapshot(given.project):
            common |= {"project": given.project, "repository": str(run.workspace)}
        else:
            common["project"] = str(_below(run.workspace, given.project))
        if given.kind == "execute":
            return Invocation(action="execute", handler=given.handler, event=given.event, **common)
        if given.kind == "http":
            method, path = _halves(given)
            return Invocation(kind="http", http={"method": method, "path": path, "body": given.event}, **common)
        if given.kind == "mcp":
            server, tool = _halves(given)
            return Invocation(kind="mcp", mcp={"server": server, "tool": tool, "args": given.event}, **common)
        return Invocation(kind=given.kind, handler=given.handler, event=given.event, **common)


def _below(workspace: Path, project: str) -> Path:
    """Return a folder of the run's; a link in it leads nowhere else."""
    around = workspace.resolve()
    found = (around / project).resolve()
    if not found.is_relative_to(around):
        raise Invalid(f"the project {project!r} of a call must be a folder below the run's; it leads to {found}")
    return found


def _is_snapshot(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)


def _shown(record: Mapping[str, Any]) -> str:
    fields = record["fields"]
    if record["event"] in ("stdout", "stderr", "output"):
        return str(fields.get("text", ""))
    return f"{record['event']} {msgspec.json.encode(fields).decode()}" if fields else str(record["event"])
