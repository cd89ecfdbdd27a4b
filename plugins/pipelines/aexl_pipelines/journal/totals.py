"""Sums of what may not have been counted. Pure."""

from __future__ import annotations

from aexl.api.money import Usage


def total_usage(parts: tuple[Usage | None, ...]) -> Usage | None:
    """Return the sum of what was used; ``None`` where nothing was counted."""
    counted = [part for part in parts if part is not None]
    if not counted:
        return None
    return Usage(
        input_tokens=sum(part.input_tokens for part in counted),
        cached_input_tokens=sum(part.cached_input_tokens for part in counted),
        cache_write_tokens=sum(part.cache_write_tokens for part in counted),
        cache_write_1h_tokens=sum(part.cache_write_1h_tokens for part in counted),
        output_tokens=sum(part.output_tokens for part in counted),
        reasoning_tokens=sum(part.reasoning_tokens for part in counted),
    )


def total(parts: tuple[int | None, ...]) -> int | None:
    """Return the sum of what is known; ``None`` where nothing is."""
    counted = [part for part in parts if part is not None]
    return sum(counted) if counted else None
