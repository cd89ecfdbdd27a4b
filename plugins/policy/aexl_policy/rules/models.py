"""Which models a request names: its own, and others that may answer or help."""

from __future__ import annotations

from collections.abc import Iterator

from aexl.api import Body, Call
from aexl_policy.rules.denials import denied, mentions, shown
from aexl_policy.rules.globs import Globs
from aexl_policy.rules.tools import definitions


def check_models(call: Call, allowed: Globs) -> None:
    """Raise a 403 that names the first model that is not on the list; a tool that is run here is no model."""
    if call.surface == "tools":
        return
    if call.model not in allowed and not (call.surface == "stored" and not call.model):
        raise _not_allowed(call.model, allowed, "model")
    body = call.body
    if "fallbacks" in body or "models" in body:
        for key, name in _substitutes(body):
            if name not in allowed:
                raise _not_allowed(name, allowed, key)
    if any(mentions(body, key, b"model") for key in ("tools", "input", "messages")):
        for key, tool in definitions(body):
            helper = tool.get("model")
            if helper is not None and not (isinstance(helper, str) and helper in allowed):
                raise _not_allowed(str(helper), allowed, key)


def _not_allowed(name: str, allowed: Globs, key: str) -> Exception:
    return denied(f"This agent may not use the model {shown(name)}. Allowed: {allowed}.", "model_not_allowed", key)


def _substitutes(body: Body) -> Iterator[tuple[str, str]]:
    # `fallbacks` of messages is a list of tables or "default"; `models` of OpenRouter is a list of names.
    for key in ("fallbacks", "models"):
        value = body.get(key)
        for entry in value if isinstance(value, list) else [value]:
            if entry is not None:
                name = entry.get("model") if isinstance(entry, dict) else entry
                yield key, name if isinstance(name, str) else ""
