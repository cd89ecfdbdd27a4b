"""From ``[sandbox]`` to a policy."""

from __future__ import annotations

from aexl.errors import ConfigError, Problem
from aexl_runtime.sandbox.ports import Control, Demand, Policy
from aexl_runtime.settings import SandboxConfig


def policy_of(config: SandboxConfig) -> Policy:
    """Return what handlers may do.

    Raises:
        ConfigError: If a demand names no control.
    """
    problems = [
        Problem(key=f"sandbox.demands.{name}", message=f"is no control; there are {', '.join(Control)}")
        for name in config.demands
        if name not in set(Control)
    ]
    if problems:
        raise ConfigError(problems)
    return Policy(
        demands={Control(name): Demand(word) for name, word in config.demands.items()},
        memory_bytes=config.memory,
        pids=config.pids,
        cpu_seconds=config.cpu,
        disk_bytes=config.disk,
        file_bytes=config.file,
        open_files=config.open_files,
        view=config.view,
    )
