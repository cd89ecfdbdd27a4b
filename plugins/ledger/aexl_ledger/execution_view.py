"""Executions as JSON for programs: money as decimal strings of USD beside whole nano-dollars, times in Unix seconds. Pure."""

from __future__ import annotations

import msgspec

from aexl.api import Execution, format_usd


def execution_json(execution: Execution) -> dict[str, object]:
    """Return what the ledger knows of one execution."""
    cost = execution.cost
    return {
        "id": execution.id,
        "agent": execution.agent,
        "state": execution.state,
        "states": [{"state": state, "at": at} for state, at in execution.states],
        "surface": execution.surface,
        "model": execution.model,
        "provider": execution.provider,
        "provider_model": execution.provider_model,
        "price_version": execution.price_version,
        "hold_usd": format_usd(execution.hold),
        "hold_nanos": execution.hold,
        "cost_usd": None if cost is None else format_usd(cost),
        "cost_nanos": cost,
        "estimated": execution.estimated,
        "overrun": execution.overrun,
        "reason": execution.reason,
        "status": execution.status,
        "usage": None if execution.usage is None else msgspec.to_builtins(execution.usage),
        "labels": dict(execution.labels),
        "attempts": [dict(attempt) for attempt in execution.attempts],
        "receipts": [f"{receipt.seq}:{receipt.hash}" for receipt in execution.receipts],
    }
