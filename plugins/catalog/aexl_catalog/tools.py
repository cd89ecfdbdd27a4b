"""What a call's server tools may cost: the tools that run at the provider, by the use.

A tool that runs at the caller's costs nothing but tokens. One that runs at the provider
must have a price by its name, or be known to have none; another is refused, because
nobody could say what it may cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aexl.api import Body, Surface
from aexl.errors import Refused
from aexl_catalog.references import spells

DEFAULT_USES: Final = 10
"""Uses that are held for where the call names no limit (``max_uses``, ``max_tool_calls``); more are booked as they come."""

_CLIENT: Final = re.compile(
    rb'"type"\s*:\s*"(?!(?:function|custom|array|boolean|integer|null|number|object|string|text|ephemeral)")'
)
_VERSION: Final = re.compile(r"(?:_preview)?(?:_\d{4}_\d{2}_\d{2}|_\d{8})?$")
_CLIENT_TOOLS: Final = frozenset(
    {
        "apply_patch",
        "bash",
        "computer",
        "computer_use",
        "custom",
        "function",
        "local_shell",
        "memory",
        "str_replace_based_edit_tool",
        "text_editor",
        "tool_search",
        "tool_search_tool_bm25",
        "tool_search_tool_regex",
    }
)
_FREE_TOOLS: Final = frozenset({"mcp", "mcp_toolset", "web_fetch"})
"""They run at the provider, which takes no more for them than the tokens they bring."""

_GEMINI_CLIENT_TOOLS: Final = frozenset(
    {"functionDeclarations", "function_declarations", "computerUse", "computer_use"}
)
_GEMINI_TOOLS: Final[Mapping[str, str]] = {
    "googleSearch": "web_search",
    "google_search": "web_search",
    "googleSearchRetrieval": "web_search",
    "google_search_retrieval": "web_search",
    "urlContext": "web_fetch",
    "url_context": "web_fetch",
    "codeExecution": "code_execution",
    "code_execution": "code_execution",
    "googleMaps": "maps",
    "google_maps": "maps",
    "fileSearch": "gemini_file_search",
    "file_search": "gemini_file_search",
}
_FREE_GEMINI: Final = frozenset({"code_execution", "gemini_file_search"})
"""Google takes no more for them than the tokens they bring."""

_OPTION_TOOLS: Final[Mapping[str, str]] = {
    "web_search_options": "web_search",
    "search_parameters": "live_search",
    "plugins": "plugins",
}
FIELDS: Final = frozenset({"tools", *_OPTION_TOOLS})
"""Fields of which at least one is there where a call has server tools; a response's input may bring them, too."""

SEARCHING: Final = "-search-"
"""Part of the names of models that search whenever they answer."""


def server_tools(surface: Surface, body: Body, model: str, prices: Mapping[str, int]) -> Mapping[str, int] | None:
    """Return the most uses of each server tool; ``None`` where there is none.

    Args:
        surface: The dialect of the call.
        body: What is to be sent.
        model: The provider's name of the model; some search whenever they answer.
        prices: Nano-dollars for one use, by the tool's name.

    Raises:
        Refused: If a tool has no price.
        Invalid: If the tools cannot be decoded.
    """
    uses: dict[str, int] = {}
    if surface == "chat":
        for key, name in _OPTION_TOOLS.items():
            if key in body and body.raw(key) not in (b"null", b"[]"):
                _add(uses, name, 1, prices)
        if SEARCHING in model:
            _add(uses, "web_search", 1, prices)
    if surface == "gemini":
        _add_gemini(uses, body.get("tools"), prices)
        return uses or None
    limit = body.get("max_tool_calls") if surface == "responses" else None
    raw = body.raw("tools")
    if raw is not None and ((b'"type"' in raw and _CLIENT.search(raw) is not None) or spells(raw)):
        _add_tools(uses, body.get("tools"), limit, prices)
    raw = body.raw("input") if surface == "responses" else None
    if raw is not None and (b'"tools"' in raw or spells(raw)):
        # Items such as `additional_tools` bring tools with them; newer agents offer all of theirs so.
        items = body.get("input")
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                _add_tools(uses, item.get("tools"), limit, prices)
    return uses or None


def _add_gemini(uses: dict[str, int], tools: object, prices: Mapping[str, int]) -> None:
    """Add Gemini's own tools, each of which is the key of an entry."""
    for tool in tools if isinstance(tools, list) else [tools]:
        for key in tool if isinstance(tool, dict) else ():
            if key not in _GEMINI_CLIENT_TOOLS:
                name = _GEMINI_TOOLS.get(key, key)
                if name in _FREE_GEMINI:
                    uses.setdefault(name, 0)
                else:
                    _add(uses, name, DEFAULT_USES, prices)


def _add_tools(uses: dict[str, int], tools: object, limit: object, prices: Mapping[str, int]) -> None:
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, dict):
            continue
        kind = tool.get("type")
        if kind == "namespace":
            _add_tools(uses, tool.get("tools"), limit, prices)
        elif kind is not None:
            name = _VERSION.sub("", str(kind))
            if name not in _CLIENT_TOOLS:
                most = tool.get("max_uses", limit)
                _add(uses, name, most if type(most) is int and most >= 0 else DEFAULT_USES, prices)


def _add(uses: dict[str, int], name: str, count: int, prices: Mapping[str, int]) -> None:
    if name in _FREE_TOOLS:
        uses.setdefault(name, 0)
    elif name in prices:
        uses[name] = uses.get(name, 0) + count
    else:
        raise Refused(
            f"the tool {name!r} runs at the provider, and this model has no price for a use of it; "
            f'add one to the model\'s price in aexl.toml, as in tools = {{ {name} = "0.01" }}',
            code="unpriced_tool",
            status=400,
            param="tools",
        )
