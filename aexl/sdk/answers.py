"""What a model said to a handler."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ModelAnswer:
    """An answer of ``ctx.model``.

    Attributes:
        data: The whole answer, as Chat Completions has it.
        execution: Its id in the ledger.
        cost_usd: What was booked, a decimal text of USD; ``None`` where nobody keeps a ledger.
    """

    __slots__ = ("cost_usd", "data", "execution")

    def __init__(self, data: Mapping[str, Any], execution: str | None = None, cost_usd: str | None = None) -> None:
        self.data = data
        self.execution = execution
        self.cost_usd = cost_usd

    @property
    def message(self) -> Mapping[str, Any]:
        """The first choice's message."""
        choices = self.data.get("choices") or [{}]
        message: Mapping[str, Any] = choices[0].get("message") or {}
        return message

    @property
    def text(self) -> str:
        """What the message says; empty where it only calls tools."""
        return str(self.message.get("content") or "")

    @property
    def usage(self) -> Mapping[str, Any]:
        """Tokens, as the provider counts them."""
        usage: Mapping[str, Any] = self.data.get("usage") or {}
        return usage
