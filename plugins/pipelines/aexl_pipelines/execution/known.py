"""The runners and step types of a host, with what the configuration says of them."""

from __future__ import annotations

from aexl.api import Host
from aexl_pipelines.execution.ports import KnownAgents
from aexl_pipelines.execution.tables import RunnerTable

__all__ = ["RunnerTable", "known_agents"]


def known_agents(host: Host) -> KnownAgents:
    """Return who can be asked to work."""
    found = dict(host.runners())
    options: dict[str, dict[str, object]] = {}
    for name, table in host.current.mapping(RunnerTable).items():
        runner = found.get(table.type or name)
        if runner is not None:
            found[name] = runner
            options[name] = table.options
    return KnownAgents(found, host.step_types(), options)
