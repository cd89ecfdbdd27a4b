"""From a run's limits to a confined process, and what is said of it in the answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aexl.errors import Unavailable
from aexl_runtime.protocol.exchange import Exchange
from aexl_runtime.protocol.failures import fail
from aexl_runtime.sandbox.confining import Module, confine
from aexl_runtime.sandbox.ports import Confinement, Control, Demand, Folders, Policy
from aexl_runtime.sandbox.probing import probe

if TYPE_CHECKING:
    from aexl_runtime.runtimes.interpreters import Interpreter

SLACK: Final = 5.0
"""Seconds of the sandbox beyond the run's own, so that the run's timeout is what ends it, and is what is said."""

WORKER: Final = Module(name="aexl_runtime.inside.main")
MIB: Final = 1024 * 1024


def policy_for(policy: Policy, *, seconds: float | None, allow_unsandboxed: bool = False) -> Policy:
    """Return a policy for one worker.

    Args:
        seconds: The run's time; ``None`` for a worker that is kept.
        allow_unsandboxed: What is required becomes preferred.
    """
    if allow_unsandboxed:
        weaker = {c: Demand.PREFER for c in Control if policy.demand(c) is Demand.REQUIRE}
        policy = policy._replace(demands={**policy.demands, **weaker})
    if seconds is None:
        return policy._replace(demands={**policy.demands, Control.WALL: Demand.OFF, Control.CPU: Demand.OFF})
    return policy._replace(wall_seconds=seconds + SLACK, cpu_seconds=min(policy.cpu_seconds, seconds) + SLACK)


def confine_worker(
    root: str,
    policy: Policy,
    *,
    forked: bool,
    env: Mapping[str, str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    ending_fd: int | None = None,
    interpreter: Interpreter | None = None,
) -> Confinement:
    """Plan the sandbox of a worker for one project.

    Args:
        root: The project's folder: all that it can read beside the system's programs and our own.
        forked: The worker is forked off this process; else it is started by ``argv``.
        env: Declared variables.
        cache: Where is kept what this machine can do.
        ending_fd: Where the ending is written.
        interpreter: Of a named runtime, which runs the worker instead of ours.

    Raises:
        Failed: If a control that is required cannot be held here.
    """
    if getattr(sys, "frozen", False):
        from aexl.api.programs import unpack_all

        unpack_all()
    try:
        return confine(
            policy,
            None if forked else WORKER if interpreter is None else interpreter.words,
            folders=Folders(readable=(root, *(() if interpreter is None else interpreter.readable))),
            env=env,
            ending_fd=ending_fd,
            probed=probe(cache),
        )
    except Unavailable as error:
        raise fail("sandbox", str(error), exception="SandboxUnavailable") from error


def tell_ending(exchange: Exchange, text: bytes, policy: Policy, status: int | None) -> None:
    """Say in a run's answer how its worker ended, if it ended without one.

    Args:
        text: What the sandbox wrote about the ending, one line of JSON; empty where it could not.
        status: The exit status of whoever watched, or minus a signal's number.
    """
    if exchange.done:
        return
    try:
        ending = json.loads(text)
    except ValueError:
        ending = {"cause": "exit", "status": status}
    number = ending.get("status")
    match ending.get("cause"):
        case "refused":
            exchange.fail(
                "sandbox", f"the sandbox could not be entered: {ending.get('detail')}", exception="SandboxUnavailable"
            )
        case "wall":
            exchange.time_out()
        case "memory":
            exchange.die(
                f"was ended, because it used more than {policy.memory_bytes // MIB} MiB of memory,", "MemoryLimit"
            )
        case "cpu":
            exchange.die(
                f"was ended, because it used more than {policy.cpu_seconds:g} seconds of CPU time,", "CpuLimit"
            )
        case "signal":
            exchange.die(f"was ended by signal {_signal(number)}")
        case _:
            exchange.die(f"ended with exit status {number}")


def _signal(number: object) -> str:
    import signal

    try:
        return signal.Signals(number).name if isinstance(number, int) else str(number)
    except ValueError:
        return str(number)
