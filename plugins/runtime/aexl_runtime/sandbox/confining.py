"""From a policy and a program to what must be started instead of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aexl_runtime.sandbox import claims, kernel, launch, planning
from aexl_runtime.sandbox.filters import compile_filter
from aexl_runtime.sandbox.means import choose, filter_parts
from aexl_runtime.sandbox.paths import interpreter_paths, is_public, outermost, system_paths
from aexl_runtime.sandbox.ports import Confinement, Control, Folders, Policy, Probed, Report
from aexl_runtime.sandbox.probing import probe

_BASIC: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


class Module(NamedTuple):
    """One of our own modules as the program; it runs in the process that was confined."""

    name: str
    arguments: tuple[str, ...] = ()


def confine(
    policy: Policy,
    program: Sequence[str] | Module | None = None,
    *,
    folders: Folders | None = None,
    env: Mapping[str, str] | None = None,
    keep_fds: tuple[int, ...] = (),
    ending_fd: int | None = None,
    probed: Probed | None = None,
) -> Confinement:
    """Plan a sandbox. Starts nothing, and needs no clean-up.

    Args:
        program: Words, or a module of ours; ``None`` for a forked worker, which calls ``enter(order)``.
        folders: What it sees; by default the system's programs and our interpreter only.
        env: The declared variables; ``PATH``, ``LANG``, ``HOME``, ``TMPDIR`` and ``AEXL_WORK`` are there anyway.
            With the control ``environment`` off they are added to this process's own.
        keep_fds: Descriptors that the program gets beside 0, 1 and 2.
        ending_fd: Gets one JSON line, an ``Ending``, before the supervisor ends.
        probed: What the machine has; asked for, and kept for this process's life, if left out.

    Raises:
        Unavailable: If a required control cannot be had; names it, and why.
    """
    machine = probe() if probed is None else probed
    seen = Folders() if folders is None else folders
    readable = outermost([*system_paths(), *interpreter_paths(), *seen.readable])
    means = choose(policy, seen, machine, warm=program is None, public=True)
    if means.account:
        alone = means.view != "none" and policy.wants(Control.FILESYSTEM)
        means = means._replace(account=all(is_public(path, alone=alone) for path in readable))
    report = Report(standings=claims.standings(means))
    claims.check(policy, report)
    base = _BASIC if policy.wants(Control.ENVIRONMENT) else dict(os.environ)
    variables = {**base, **(env or {})}
    parts = filter_parts(means)
    filtering = compile_filter(parts, kernel.machine()) if parts else b""
    order = planning.order(
        means, program=filtering, env=variables, readable=readable, account=_pick(machine.accounts), keep_fds=keep_fds
    )
    plan = Confinement(
        argv=(),
        env=variables,
        pass_fds=(*keep_fds, *(() if ending_fd is None else (ending_fd,))),
        order=order._replace(ending_fd=ending_fd),
        report=report,
    )
    return plan if program is None else _started(program, plan)


def _pick(accounts: tuple[int, int]) -> int:
    """Return any of the users from the first to the last."""
    first, last = accounts
    return first + int.from_bytes(os.urandom(8)) % (last - first + 1)


def _started(program: Sequence[str] | Module, plan: Confinement) -> Confinement:
    """Return a plan with the words that start ``program`` under our own launcher."""
    from aexl.api.programs import own_environment, own_module  # a forked worker needs none of it

    launcher, loader = tuple(own_module(launch.NAME)), own_environment()
    order = plan.order._replace(inner=launcher, hidden_env=tuple(loader))
    argv = (*launcher, launch.write(order), *_words(program))
    return plan._replace(argv=argv, env={**plan.env, **loader}, order=order)


def _words(program: Sequence[str] | Module) -> tuple[str, ...]:
    if isinstance(program, Module):
        return ("-m", program.name, *program.arguments)
    return ("--", *program)
