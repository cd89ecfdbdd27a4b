"""The executor's ports, as a server has them."""

from __future__ import annotations

from pathlib import Path

from aexl.api import Control, Host
from aexl_pipelines.execution.known import known_agents
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.governing.governor import LedgerGovernor
from aexl_pipelines.journal.records import RunOptions
from aexl_pipelines.proposals.ports import FileProposals
from aexl_pipelines.serving.jobs import Station, server_environment
from aexl_pipelines.serving.places import ServerLoader
from aexl_pipelines.trees.ports import trees_of


async def make_ports(station: Station, agent: str, folder: Path, options: RunOptions) -> Ports:
    """Return the ports of a run that an agent's token has started in a folder."""
    host = station.host
    loader = ServerLoader(host, folder)
    return Ports(
        agents=known_agents(host),
        gates=station.gates.with_option(options.on_gate),
        trees=trees_of(host),
        governor=LedgerGovernor(host, url=await _address(host), agent=agent),
        proposals=FileProposals(loader.files, loader.finder, loader.types),
        load=loader,
        environ=server_environment(),
    )


async def _address(host: Host) -> str | None:
    """Return this server's own address; ``None`` where nothing is served."""
    control = host.service(Control)
    url = None if control is None else (await control.status()).get("url")
    return url if isinstance(url, str) else None
