"""One run of a folder in this process's own worker, without a host."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from aexl_runtime.confined import confine_worker, policy_for, tell_ending
from aexl_runtime.folders import check_entry, folder_id, granted_secrets, read_settings
from aexl_runtime.protocol.envelopes import Answer
from aexl_runtime.protocol.exchange import Exchange, Task
from aexl_runtime.protocol.failures import Failed, Failure, fail
from aexl_runtime.protocol.requests import Request
from aexl_runtime.sandbox.ports import Policy
from aexl_runtime.starting import fork_worker
from aexl_runtime.supervising import Ask, supervise


def run_folder(
    root: str,
    request: Request,
    *,
    policy: Policy,
    ask: Ask,
    compat: bool | None = None,
    debug: bool = False,
    cache: str | os.PathLike[str] | None = None,
    allowed: Sequence[str] = (),
    allow_unsandboxed: bool = False,
) -> Answer:
    """Run a request on a folder. Only for a process with one thread, because it forks.

    Args:
        compat: Whether ``import aiel_sdk`` is answered; ``None`` for what the project says.
        cache: Where is kept what this machine can do.
        allowed: Names of our environment variables that the project gets if it declares them as its secrets.
    """
    try:
        check_entry(root)
        settings = read_settings(root)
        secrets = granted_secrets(settings, allowed)
        held = policy_for(policy, seconds=request.timeout_ms / 1000, allow_unsandboxed=allow_unsandboxed)
        confinement = confine_worker(root, held, forked=True, cache=cache, env=secrets)
        with fork_worker(confinement.order) as worker:  # it confines itself, while we look at the project
            begun = time.perf_counter()
            snapshot = folder_id(root)
            task = Task(
                request=request,
                root=root,
                snapshot_id=snapshot,
                compat=settings.get("aiel_compat") is True if compat is None else compat,
                secrets=secrets,
                debug=debug,
                hash_ms=int((time.perf_counter() - begun) * 1000),
            )
            exchange = Exchange(task)
            supervise(worker, exchange, ask)
        tell_ending(exchange, worker.ending(), held, worker.status)
        return exchange.answer(confinement.report.json())
    except Failed as failed:
        return refusal(failed.failure, request)
    except OSError as error:
        return refusal(fail("worker", f"no worker could be started: {error}").failure, request)


def refusal(failure: Failure, request: Request | None) -> Answer:
    """Return the answer to a request that did not run; ``None`` for one that could not even be read."""
    if request is None:
        return Answer(request_id="unknown", failure=failure)
    return Answer(request_id=request.request_id, trace_id=request.trace_id, failure=failure)
