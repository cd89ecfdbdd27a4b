"""What ``aexl doctor`` says of the sandbox, and of the interpreters beside the built-in one."""

from __future__ import annotations

import trio

from aexl.api import Host
from aexl.errors import Unavailable
from aexl_runtime.settings import RuntimeTable, SandboxConfig


async def check_runtimes(host: Host) -> str | None:
    """Return which of ``[runtimes.<name>]`` cannot be used, and why; ``None`` if all can."""
    return await trio.to_thread.run_sync(_check_runtimes, host)


def _check_runtimes(host: Host) -> str | None:
    from aexl_runtime.runtimes.interpreters import Interpreters
    from aexl_runtime.runtimes.tables import read_tables

    tables = host.current.mapping(RuntimeTable)
    if not tables:
        return None
    found = Interpreters(host.data_dir, read_tables(tables, host.data_dir))
    return "; ".join(detail for name in found.names if (detail := found.standing(name).detail)) or None


async def check_sandbox(host: Host) -> str | None:
    """Return what handlers would run without on this machine, ``None`` if nothing is missing."""
    return await trio.to_thread.run_sync(_check, host)


def _check(host: Host) -> str | None:
    from aexl_runtime.policies import policy_of
    from aexl_runtime.sandbox.confining import confine
    from aexl_runtime.sandbox.probing import CACHE_NAME, probe

    policy = policy_of(host.current.section(SandboxConfig))
    try:
        report = confine(policy, probed=probe(host.data_dir / CACHE_NAME)).report.json()
    except Unavailable as error:
        return f"no handler can run: {error}"
    lacking = report["not_enforced"]
    if not isinstance(lacking, dict) or not lacking:
        return None
    return "handlers run without: " + "; ".join(f"{control} ({reason})" for control, reason in lacking.items())
