"""Which tools a request offers to the model, wherever it offers them.

A tool's name for allow-lists:

- a function or custom tool: its name, also inside a namespace or a ``tool_addition`` block;
- a tool that the provider brings: its type, as in ``web_search`` or ``web_search_20250305``;
- a server of the Model Context Protocol: ``mcp:`` and its label;
- a stored prompt, an OpenRouter plugin, a skill: ``prompt:``, ``plugin:``, ``skill:`` and its id,
  because each of them can bring tools that nobody here can see.

What has no name is called ``""``, which no useful glob but ``*`` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from aexl.api import Body
from aexl_policy.rules.denials import denied, mentions, shown
from aexl_policy.rules.globs import Globs

Definition = Mapping[str, object]
_NAMELESS: Final[Definition] = {}
_DEPTH: Final = 8  # namespaces do not nest in any dialect; a bound keeps hostile input cheap

_LABELS: Final = {
    "mcp": "server_label",
    "mcp_toolset": "mcp_server_name",
    "mcp_toolset_reference": "server_name",
    "mcp_tool_reference": "server_name",
}
_DECLARATIONS: Final = ("functionDeclarations", "function_declarations")


def definitions(body: Body) -> Iterator[tuple[str, Definition]]:
    """Yield every tool that is offered, with the key of the body that offers it; namespaces are opened."""
    for key, read in _READERS.items():
        if key in body:
            for definition in read(body, key):
                yield key, definition


def names(definition: Definition) -> list[str]:
    """Return the names a tool goes by: each of them must be allowed."""
    kind = definition.get("type")
    declared = [item for key in _DECLARATIONS for item in _items(definition.get(key))]
    if declared:
        others = [key for key in definition if key not in _DECLARATIONS]
        return [_text(item.get("name")) for item in declared] + others
    if isinstance(kind, str) and kind in _LABELS:
        return [f"mcp:{_text(definition.get(_LABELS[kind]))}"]
    found = [_text(inner["name"]) for inner in _wrapped(definition) if "name" in inner]
    if isinstance(kind, str) and kind not in {"function", "custom", "tool_reference"}:
        return [kind, *found]
    if "name" in definition or "tool_name" in definition:
        found.append(_text(definition.get("name", definition.get("tool_name"))))
    if not found and kind is None:
        return list(definition) or [""]  # Gemini names a tool of its own by its key: {"googleSearch": {}}
    return found or [""]


def check_no_tools(body: Body) -> None:
    """Raise a 403 if the request offers any tool."""
    for key, _ in definitions(body):
        raise denied(f"This agent may not use tools. Leave out {key!r}.", "tools_not_allowed", key)


def check_tool_names(body: Body, allowed: Globs) -> None:
    """Raise a 403 that names the first tool that is not on the list."""
    for key, definition in definitions(body):
        for name in names(definition):
            if name not in allowed:
                raise denied(
                    f"This agent may not use the tool {shown(name)}. Allowed: {allowed}.", "tool_not_allowed", key
                )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _items(value: object) -> list[Definition]:
    """Return a list's entries; whatever is not a table becomes a tool without a name."""
    if value is None:
        return []
    if not isinstance(value, list):
        return [_NAMELESS]
    return [item if isinstance(item, dict) else _NAMELESS for item in value]


def _wrapped(definition: Definition) -> Iterator[Definition]:
    for key in ("function", "custom"):
        inner = definition.get(key)
        if isinstance(inner, dict):
            yield inner


def _open(entries: list[Definition], depth: int = 0) -> Iterator[Definition]:
    for entry in entries:
        if entry.get("type") == "namespace" and depth < _DEPTH:
            yield from _open(_items(entry.get("tools")), depth + 1)
        else:
            yield entry


def _listed(body: Body, key: str) -> Iterator[Definition]:
    yield from _open(_items(body.get(key)))


def _search_options(body: Body, key: str) -> Iterator[Definition]:
    if body.get(key) is not None:
        yield {"type": "web_search"}


def _labelled(kind: str, field: str) -> Callable[[Body, str], Iterator[Definition]]:
    def read(body: Body, key: str) -> Iterator[Definition]:
        value = body.get(key)
        for item in _items(value.get("skills") if isinstance(value, dict) else value):
            yield {"type": f"{kind}:{_text(item.get(field))}"}

    return read


def _container(body: Body, key: str) -> Iterator[Definition]:
    if isinstance(body.get(key), dict):
        yield from _labelled("skill", "skill_id")(body, key)


def _input(body: Body, key: str) -> Iterator[Definition]:
    # Responses: `additional_tools` and `tool_search_output` items bring tools with them.
    if not mentions(body, key, b"tools"):
        return
    value = body.get(key)
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and item.get("type") != "mcp_list_tools":
                yield from _open(_items(item.get("tools")))


def _messages(body: Body, key: str) -> Iterator[Definition]:
    # Anthropic: a `tool_addition` block adds a tool in the middle of a conversation.
    if not mentions(body, key, b"tool_addition"):
        return
    value = body.get(key)
    for message in value if isinstance(value, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else []:
            if isinstance(block, dict) and block.get("type") == "tool_addition":
                tool = block.get("tool")
                inner = tool.get("definition", tool) if isinstance(tool, dict) else None
                yield inner if isinstance(inner, dict) else _NAMELESS


def _prompt(body: Body, key: str) -> Iterator[Definition]:
    value = body.get(key)
    if isinstance(value, dict):
        yield {"type": f"prompt:{_text(value.get('id'))}"}


_READERS: Final[Mapping[str, Callable[[Body, str], Iterator[Definition]]]] = {
    "tools": _listed,  # chat, responses, messages, gemini
    "functions": _listed,  # chat, before there were tools
    "web_search_options": _search_options,  # chat
    "input": _input,  # responses
    "prompt": _prompt,  # responses
    "messages": _messages,  # messages
    "mcp_servers": _labelled("mcp", "name"),  # messages
    "container": _container,  # messages
    "plugins": _labelled("plugin", "id"),  # chat on OpenRouter
}
