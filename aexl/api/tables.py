"""Tables of a configuration, as plain mappings."""

from __future__ import annotations

from collections.abc import Mapping


def merge(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """Return the tables of both, ``one`` winning value by value."""
    merged = dict(other)
    for key, value in one.items():
        below = merged.get(key)
        merged[key] = merge(value, below) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged
