"""A question of a worker's to a model, and what it is told where there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A worker wants a model to be asked; ``Exchange.reply`` makes what to tell it.

    Attributes:
        refusal: What to tell it instead of asking: its handler has not declared that it does.
    """

    number: int
    body: Mapping[str, Any]
    refusal: Mapping[str, Any] | None = None


def told_error(message: str, status: int, code: str, execution: str | None = None) -> dict[str, Any]:
    """Return what a worker is told of a call that gave no answer."""
    return {"error": {"message": message, "status": status, "code": code, "execution": execution}}
