"""Whether a request forces the model to call a tool."""

from __future__ import annotations

from aexl.api import Body
from aexl_policy.rules.denials import denied

_FREE = frozenset({"auto", "none", "validated"})


def check_no_forced_tool(body: Body) -> None:
    """Raise a 403 if the request does not leave the choice of a tool to the model."""
    for key in ("tool_choice", "function_call"):  # chat, responses, messages; chat before there were tools
        if key in body and _forces(body.get(key)):
            raise denied(f"This agent may not force a tool. Leave out {key!r} or set it to 'auto'.",
                         "function_choice_not_allowed", key)  # fmt: skip
    for key in ("toolConfig", "tool_config"):  # gemini
        if key in body and _forces_in_config(body.get(key)):
            raise denied(f"This agent may not force a tool. Set the mode in {key!r} to 'AUTO'.",
                         "function_choice_not_allowed", key)  # fmt: skip


def _forces(choice: object) -> bool:
    if choice is None:
        return False
    if not isinstance(choice, dict):
        return choice not in _FREE if isinstance(choice, str) else True
    kind = choice.get("type")
    if kind == "allowed_tools":  # chat nests what responses has beside the type
        inner = choice.get("allowed_tools")
        return (inner if isinstance(inner, dict) else choice).get("mode") != "auto"
    return kind not in ("auto", "none")


def _forces_in_config(config: object) -> bool:
    if not isinstance(config, dict):
        return config is not None
    for key in ("functionCallingConfig", "function_calling_config"):
        calling = config.get(key)
        if calling is not None:
            mode = calling.get("mode", "AUTO") if isinstance(calling, dict) else ""
            if not isinstance(mode, str) or mode.lower() not in _FREE | {"mode_unspecified"}:
                return True
    return False
