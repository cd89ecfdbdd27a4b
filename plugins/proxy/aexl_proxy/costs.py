"""What an answer says of money."""

from __future__ import annotations

from aexl.api import format_usd


def cost_headers(cost: int, remaining: int | None) -> list[tuple[bytes, bytes]]:
    """Return the headers for nano-dollars that were booked, and that the tightest budget has left."""
    headers = [(b"x-aexl-cost-usd", format_usd(cost).encode())]
    if remaining is not None:
        headers.append((b"x-aexl-budget-remaining-usd", format_usd(remaining).encode()))
    return headers
