"""What a handler may do through its context: the tools that it may call, the models that it may ask."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aexl.sdk.registry import Handler

MODEL = "model"
"""The action of asking a model."""


def allows(allowed: Sequence[str] | None, action: str, detail: str | None = None) -> bool:
    """Return whether an action was declared: by its name, or by a pattern such as ``model:gpt-*`` for its detail."""
    if allowed is None or action in allowed:
        return True
    if detail is None:
        return False
    from fnmatch import fnmatchcase

    return any(fnmatchcase(f"{action}:{detail}", pattern) for pattern in allowed)


def reach(handler: Handler, tools: Mapping[str, Handler]) -> list[str] | None:
    """Return all that a handler may do, itself or through the tools that it may call; ``None`` where that is anything."""
    found: set[str] = set()
    waiting = [handler]
    while waiting:
        allowed = waiting.pop().allowed_actions
        if allowed is None:
            return None
        waiting += [tools[action] for action in allowed if action in tools and action not in found]
        found.update(allowed)
    return sorted(found)
