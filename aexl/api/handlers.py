"""Runs of a project's handlers, as the role ``Handlers`` takes and returns them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

INVOCATION_LABEL: Final = "invocation"
"""What the executions of a run's calls to models carry its id under, in the ledger."""

Heard = Callable[[Mapping[str, object]], None]
"""Is told of each record of a run's log as soon as it is there, from the loop; must neither wait nor raise."""


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What to run.

    Attributes:
        project: The id of a snapshot, or the absolute path of a folder.
        repository: Where the snapshot is: the name of one of the server's ``Repositories``, or the absolute path
            of a folder of a project that keeps it itself; the host's own captures, if left out or not found there.
        runtime: The name of the interpreter that runs it (``[runtimes.<name>]``); the built-in one, if left out.
        kind: Of ``invoke``: ``tool``, ``agent``, ``flow``, ``router``, ``http`` or ``mcp``.
        handler: Its name; of ``execute``: ``module.function``.
        event: Its input.
        http: Of kind ``http``: ``method``, ``path``, ``query``, ``headers``, ``body``.
        mcp: Of kind ``mcp``: ``server``, ``tool``, ``args``.
        id: The invocation's id; a fresh one if left out.
        agent: Who pays for the models that it asks; the configuration's, if left out.
        labels: What its calls to models are labelled with, beside its id.
        timeout: Seconds, for import and call together.
        identity: ``tenant_id``, ``workspace_id``, ``project_id``, ``user_id``; no two tenants share a worker.
        capabilities: Modules that it may import although they are guarded: ``subprocess``, ``ctypes``.
        debug: Errors carry a traceback, and tell where files are.
    """

    project: str
    repository: str | None = None
    runtime: str | None = None
    action: Literal["describe", "invoke", "execute"] = "invoke"
    kind: str | None = None
    handler: str | None = None
    event: Mapping[str, Any] = {}
    http: Mapping[str, Any] | None = None
    mcp: Mapping[str, Any] | None = None
    id: str | None = None
    trace: str | None = None
    agent: str | None = None
    labels: Mapping[str, str] = {}
    timeout: float = 30.0
    identity: Mapping[str, str] = {}
    capabilities: tuple[str, ...] = ()
    debug: bool = False


class Invoked(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended.

    Attributes:
        id: The invocation's id, under which the ledger has what it cost.
        status: The HTTP status: of the answer, or of the error.
        exit: What the runner would end with: 0; 2 bad request, 3 not loaded, 4 out of time, 5 no such handler,
            6 a value that is not acceptable, 7 an error of the project's own.
        result: A value of JSON; ``None`` where it failed.
        answer: The whole envelope, as the runner prints it: ``error``, and in ``meta`` the log and the sandbox.
        spent: Nano-dollars that were booked for models by the time of the answer; the ledger may book more later.
    """

    id: str
    ok: bool
    status: int
    exit: int
    result: Any
    answer: Mapping[str, Any]
    spent: int = 0


BUILTIN: Final = "builtin"
"""What the built-in interpreter is called where runtimes are listed; no ``[runtimes.<name>]`` may be called so."""


class RuntimeOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What an interpreter offers to the handlers that it runs.

    Attributes:
        name: As in ``[runtimes.<name>]``; ``BUILTIN`` for the built-in one.
        python: Its version, as in ``3.12.4``.
        sdk: The version of ``aexl.sdk`` that handlers import.
        runtime: The version of what runs them.
        distributions: Versions of what they can import, by normalised name.
        problem: Why it cannot run anything now; empty if it can.
    """

    name: str
    python: str
    sdk: str
    runtime: str
    distributions: Mapping[str, str]
    problem: str = ""
