"""What is asked and answered about integrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from aexl.api import format_usd
from aexl_plane.http.place_shapes import Label
from aexl_plane.integrations.live import Live
from aexl_plane.integrations.records import Done, Offered
from aexl_plane.records import Connection


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """An empty object; what else it has is not read."""


class NewConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An integration to add to a project.

    Attributes:
        integration: Which of the server's does the work; none, and it cannot be used.
        provider: Needed only where ``integration`` is left out.
        allowed_actions: What may be granted; all that the server's integration can do, if left out.
        granted_actions: What may be run.
    """

    name: Label
    integration: str = ""
    provider: str = ""
    allowed_actions: tuple[str, ...] | None = None
    granted_actions: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}


class MadeConnection(msgspec.Struct, frozen=True, kw_only=True):
    """An integration that was added."""

    connection_id: str
    provider: str


class RemovedConnection(msgspec.Struct, frozen=True, kw_only=True):
    """The id of an integration that was removed."""

    removed: str


class ConnectorShape(msgspec.Struct, frozen=True, kw_only=True):
    """What does the work; version 0 where nothing does."""

    id: str
    version: str


class AuthShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the credential: the server, or nobody."""

    method: Literal["none", "server"]


class ConnectionShape(msgspec.Struct, frozen=True, kw_only=True):
    """An integration of a project.

    Attributes:
        status_reason: Why it is unavailable.
        granted_actions: What may be run: granted to it, and allowed by the server's owner.
    """

    connection_id: str
    workspace_id: str
    project_id: str
    provider: str
    integration: str
    connector: ConnectorShape
    resource_type: str
    display_name: str
    status: Literal["active", "unavailable"]
    status_reason: str | None
    capabilities: Sequence[str]
    allowed_actions: Sequence[str]
    granted_actions: Sequence[str]
    auth: AuthShape
    metadata: Mapping[str, Any]


class ConnectionList(msgspec.Struct, frozen=True, kw_only=True):
    """A project's integrations, oldest first."""

    integrations: Sequence[ConnectionShape]


class OfferedList(msgspec.Struct, frozen=True, kw_only=True):
    """The server's integrations that projects of this tenant may be connected to."""

    offered: Sequence[Offered]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check has found."""

    data: Mapping[str, Any]


class ActionParams(msgspec.Struct, frozen=True, kw_only=True):
    """An action's parameters, as today's clients send them; what else they say is not read."""

    params: Mapping[str, Any] = {}


class NewAction(ActionParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action to run: its parameters, as its provider wants them."""


class ActionDone(msgspec.Struct, frozen=True, kw_only=True):
    """What an action gave.

    Attributes:
        call: Its id in the ledger.
        execution: The governed call that it cost, if it did; ``cost_usd`` says how much.
    """

    call: str
    result: Any
    execution: str | None
    cost_usd: str | None
    milliseconds: int


def connection_shape(connection: Connection, workspace: str, live: Live | None, why: str) -> ConnectionShape:
    """Return an integration.

    Args:
        live: What does the work; ``None`` where nothing does, and ``why``.
    """
    allowed, granted = set(connection.allowed), set(connection.granted)
    if live is not None:
        allowed, granted = allowed & set(live.actions), granted & set(live.actions)
    return ConnectionShape(
        connection_id=connection.id,
        workspace_id=workspace,
        project_id=connection.project,
        provider=connection.provider,
        integration=connection.integration,
        connector=ConnectorShape(id=connection.provider, version=live.kind.version if live else "0"),
        resource_type=connection.provider,
        display_name=connection.name,
        status="active" if live else "unavailable",
        status_reason=why or None,
        capabilities=sorted({action.partition(".")[0] for action in allowed}),
        allowed_actions=sorted(allowed),
        granted_actions=sorted(granted),
        auth=AuthShape(method="server" if live is not None and live.section.credential else "none"),
        metadata=connection.metadata,
    )


def action_done(done: Done) -> ActionDone:
    """Return what an action gave."""
    return ActionDone(
        call=done.call,
        result=done.result,
        execution=done.execution,
        cost_usd=None if done.cost is None else format_usd(done.cost),
        milliseconds=done.milliseconds,
    )
