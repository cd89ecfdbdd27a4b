"""What events say of how an execution went, and what is read from them again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aexl.api.money import Usage
from aexl.api.records import Ending, Outcome
from aexl_ledger.windows import MICROS

LONGEST_NAME: Final = 200
"""Characters of a model's or a provider's name that an event keeps; callers choose the former."""

LONGEST_ID: Final = 200


def shorten(text: str) -> str:
    """Return a name that others chose as an event keeps it: bounded, and valid text."""
    if len(text) <= LONGEST_NAME and text.isascii():
        return text
    return text[:LONGEST_NAME].encode("utf-8", "replace").decode()


def succeeded(outcome: Outcome) -> bool:
    """Return whether an equal call may be given this one's answer; failures are never repeated."""
    status = outcome.status
    return outcome.ending is Ending.COMPLETED and status is not None and 200 <= status < 300


def describe(outcome: Outcome) -> dict[str, Any]:
    """Return what an event says of an outcome, the money excepted."""
    target = outcome.target
    data: dict[str, Any] = {
        "ending": str(outcome.ending),
        "reason": outcome.charge.reason,
        "estimated": int(outcome.charge.estimated),
        "provider": target.provider,
        "provider_model": shorten(target.model),
        "price_version": target.price.version,
        "micros": round(outcome.seconds * MICROS),
    }
    if outcome.status is not None:
        data["status"] = outcome.status
    if outcome.first_byte is not None:
        data["first_byte_micros"] = round(outcome.first_byte * MICROS)
    if outcome.upstream_id is not None and len(outcome.upstream_id) <= LONGEST_ID:
        data["upstream_id"] = outcome.upstream_id
    if outcome.usage is not None:
        data["usage"] = describe_usage(outcome.usage)
    return data


def describe_usage(usage: Usage) -> dict[str, Any]:
    """Return the classes of tokens that were used, without zeros."""
    data: dict[str, Any] = {}
    for name in _COUNTS:
        count = getattr(usage, name)
        if count:
            data[name] = count
    if usage.tool_uses:
        data["tool_uses"] = dict(usage.tool_uses)
    if usage.tier:
        data["tier"] = usage.tier
    if usage.parts:
        data["parts"] = dict(usage.parts)
    if usage.units:
        data["units"] = dict(usage.units)
    return data


_COUNTS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def read_usage(data: Mapping[str, Any]) -> Usage:
    """Return what ``describe_usage`` described."""
    return Usage(**data)
