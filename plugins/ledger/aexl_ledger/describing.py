"""The ledger's part of the OpenAPI document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from aexl.api.openapi import Description, Operation, Query, describe

PATH: Final = "/api/v1/executions"


class StateShape(msgspec.Struct, frozen=True):
    """A state of a call, and since when, in Unix seconds."""

    state: str
    at: float


class ExecutionShape(msgspec.Struct, frozen=True):
    """A governed call: what it was, what it cost, and where the ledger has it.

    Attributes:
        cost_usd: Null until it is settled.
        receipts: ``seq:hash`` of its events.
    """

    id: str
    agent: str
    state: str
    states: Sequence[StateShape]
    surface: str
    model: str
    provider: str | None
    provider_model: str | None
    price_version: str | None
    hold_usd: str
    hold_nanos: int
    cost_usd: str | None
    cost_nanos: int | None
    estimated: bool
    overrun: bool
    reason: str | None
    status: int | None
    usage: Mapping[str, Any] | None
    labels: Mapping[str, str]
    attempts: Sequence[Mapping[str, Any]]
    receipts: Sequence[str]


class ExecutionPage(msgspec.Struct, frozen=True):
    """The latest calls, newest first."""

    executions: Sequence[ExecutionShape]


def describe_executions(most: int, usual: int) -> Description:
    """Return it.

    Args:
        most: The largest ``limit``; ``usual`` counts where there is none.
    """
    limit: Mapping[str, object] = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return describe(
        (
            Operation(
                method="GET",
                path=PATH,
                id="listCalls",
                summary="List the latest governed calls of the token's agent; an admin sees all.",
                tag="calls",
                security="agent",
                scope="read",
                gives=ExecutionPage,
                query=(
                    Query("limit", limit, "The most that are listed."),
                    Query("agent", {"type": "string"}, "Only this agent's; for an admin."),
                ),
            ),
            Operation(
                method="GET",
                path=f"{PATH}/{{id...}}",
                id="getCall",
                summary="Show a governed call, with what it cost.",
                tag="calls",
                security="agent",
                scope="read",
                gives=ExecutionShape,
            ),
        )
    )
