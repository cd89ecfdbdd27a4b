"""What the server's owner may do with the plane, from this machine: the role that the commands ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from aexl_plane.integrations.records import Configured
from aexl_plane.records import Project, Tenant, User, Workspace


class Bootstrapped(msgspec.Struct, frozen=True, kw_only=True):
    """A new tenant with what it needs to begin; the token is told once."""

    tenant: Tenant
    user: User
    workspace: Workspace
    project: Project
    token: str


class OwnerToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token of somebody who may manage a tenant; it is told once."""

    tenant: Tenant
    user: User
    token: str


@runtime_checkable
class Integrations(Protocol):
    """The integrations that the configuration of this server has."""

    async def configured(self) -> Sequence[Configured]:
        """Return all of them, by name, for the server's owner."""
        ...


@runtime_checkable
class Tenants(Protocol):
    """The tenants of this server."""

    async def bootstrap(self, name: str, email: str, workspace: str, project: str, first: bool) -> Bootstrapped:
        """Make a tenant with an owner, a workspace and a project, in one step.

        Args:
            first: Only if there is no tenant yet.

        Raises:
            Conflict: If the name is taken, or there is a tenant and it should be the first.
            Invalid: If a name is not acceptable.
        """
        ...

    async def mint(self, name: str, email: str | None) -> OwnerToken:
        """Make a token for a user who may manage a tenant: where all that there were are lost, nothing else makes one.

        Args:
            email: Whose; by default the tenant's first user who may ``admin``.

        Raises:
            NotFound: If there is no such tenant, or no such user in it who may ``admin``.
        """
        ...

    async def list(self) -> Sequence[Tenant]:
        """Return all tenants, by age."""
        ...
