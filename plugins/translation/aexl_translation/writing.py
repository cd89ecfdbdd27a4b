"""What every writer of requests needs: the target, the names of tools, and what tools become where they are unknown."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.names import Names, fit
from aexl_translation.pivot import Request, Tool, ToolCall, ToolChoice, ToolResult

INPUT: Final = "input"
"""The one argument of a function that stands for a tool which takes free text."""

_NO_PARAMETERS: Final = {"type": "object", "properties": {}}
_FREE_TEXT: Final = {
    "type": "object",
    "properties": {INPUT: {"type": "string"}},
    "required": [INPUT],
    "additionalProperties": False,
}
_OPENAI: Final = frozenset({"chat", "responses"})


class Aim(msgspec.Struct, kw_only=True):
    """Where a request goes.

    Attributes:
        model: The provider's name of the model.
        limit: The most output tokens that the hold covers; ``None`` where nobody named one.
        effort: The model takes an effort of thinking; ``None`` where its name shall tell.
        tiers: The model's price has service tiers, so that the ordinary one must be asked for.
    """

    model: str
    limit: int | None = None
    effort: bool | None = None
    tiers: bool = False


def offered(request: Request) -> list[Tool]:
    """Return the tools that may be used: where only some are allowed, those."""
    choice = request.tool_choice
    if choice is None or choice.mode == "named" or not choice.names:
        return request.tools
    return [tool for tool in request.tools if tool.name in choice.names]


def forced(choice: ToolChoice | None) -> bool:
    """Say whether a tool must be used."""
    return choice is not None and choice.mode in ("required", "named")


def parameters_of(tool: Tool, names: Names) -> object:
    """Return the schema of a tool's arguments, as the provider is told."""
    if tool.kind == "custom" and not names.keeps("custom"):
        return _FREE_TEXT
    return tool.parameters or _NO_PARAMETERS


def description_of(tool: Tool, names: Names) -> str:
    """Return what the provider is told of a tool; the form of free text is told in words."""
    form = tool.format
    if tool.kind != "custom" or names.keeps("custom") or not isinstance(form, dict):
        return tool.description
    definition, syntax = form.get("definition"), form.get("syntax")
    if not isinstance(definition, str):
        return tool.description
    return f"{tool.description}\n\n{INPUT} ({syntax}):\n{definition}"


def arguments_of(call: ToolCall, names: Names) -> str:
    """Return the arguments of an earlier call as JSON text of an object."""
    if call.kind == "custom" and not names.keeps("custom"):
        return msgspec.json.encode({INPUT: call.arguments}).decode()
    return call.arguments or "{}"


def object_of(arguments: str) -> object:
    """Return JSON text of an object as what it says; what is none is kept as a text."""
    if not arguments.strip():
        return {}
    try:
        value: object = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return {INPUT: arguments}
    return value if isinstance(value, dict) else {INPUT: value}


def service_tier(request: Request, aim: Aim) -> str | None:
    """Return the tier to ask an OpenAI-compatible provider for; the ordinary one where the hold covers no other."""
    if request.origin in _OPENAI and request.service_tier is not None:
        return request.service_tier
    return "default" if aim.tiers else None


def user_of(request: Request) -> str | None:
    """Return the id of the end user in the form that the APIs take."""
    return fit(request.user) if request.user else None


def without_nothing(body: dict[str, object]) -> dict[str, object]:
    """Return a body without what is ``None`` or empty."""
    return {name: value for name, value in body.items() if value is not None and value != [] and value != ""}


def last_question(request: Request) -> int:
    """Return the index of the turn that the answer is to: the last of the user's without results of tools."""
    for index in range(len(request.turns) - 1, -1, -1):
        turn = request.turns[index]
        if turn.role == "user" and not any(isinstance(part, ToolResult) for part in turn.parts):
            return index
    return -1
