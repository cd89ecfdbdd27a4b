"""Who pays for the models that handlers ask: ``[plane.agents]``. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def find_payer(agents: Mapping[str, str], tenant: str, workspace: str, project: str) -> str | None:
    """Return an agent's name: what is said of the project, else of the workspace, else of the tenant.

    Args:
        agents: By ``TENANT``, ``TENANT/WORKSPACE`` or ``TENANT/WORKSPACE/PROJECT``: a tenant's name, and slugs.

    Returns:
        ``None`` where nothing is said: the workers' configuration decides.
    """
    for place in (f"{tenant}/{workspace}/{project}", f"{tenant}/{workspace}", tenant):
        if place in agents:
            return agents[place]
    return None
