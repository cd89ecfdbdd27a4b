"""Tokens and money of one run, where a CLI counts since its session began."""

from __future__ import annotations

from typing import Final

from aexl.api import Usage

_COUNTS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)


def usage_of(total: int, *, cached: int = 0, written: int = 0, output: int, thought: int = 0) -> Usage:
    """Return tokens as most count them: ``total`` input with what was cached and written in it, thoughts in the output."""
    return Usage(
        input_tokens=max(total - cached - written, 0),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
        reasoning_tokens=min(thought, output),
    )


def usage_since(now: Usage, before: Usage) -> Usage:
    """Return what was used since; a count that went down began anew."""
    counts = {name: getattr(now, name) for name in _COUNTS}
    earlier = {name: getattr(before, name) for name in _COUNTS}
    if any(counts[name] < earlier[name] for name in _COUNTS):
        return now
    return Usage(**{name: counts[name] - earlier[name] for name in _COUNTS})


def usage_sum(one: Usage | None, other: Usage) -> Usage:
    """Return both together."""
    if one is None:
        return other
    return Usage(**{name: getattr(one, name) + getattr(other, name) for name in _COUNTS})


def cost_since(now: int | None, before: int | None) -> int | None:
    """Return what was spent since, in nano-dollars; ``None`` where nobody knows."""
    if now is None or before is None or now < before:
        return now
    return now - before
