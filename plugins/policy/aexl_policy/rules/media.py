"""Whether a request shows the model anything but text: images, audio, video, files.

Parts of a message are held to a list of those that are text, so that a new kind
of part is refused until it is known. Items around the parts (calls, results)
are known by what carries pictures.
"""

from __future__ import annotations

from typing import Final

from aexl.api import Body
from aexl_policy.rules.denials import denied, shown

_TEXT_PARTS: Final = frozenset(
    {
        # chat
        "text", "refusal", "thinking", "redacted_thinking", "reasoning",
        # responses
        "input_text", "output_text", "summary_text", "reasoning_text", "encrypted_content",
        # messages
        "tool_use", "tool_result", "server_tool_use", "mcp_tool_use", "mcp_tool_result", "mcp_tool_listing",
        "search_result", "web_search_tool_result", "web_search_result", "advisor_tool_result",
        "tool_search_tool_result", "bash_code_execution_tool_result", "code_execution_tool_result",
        "text_editor_code_execution_tool_result", "compaction", "fallback", "tool_addition", "tool_removal",
        "tool_reference",
    }
)  # fmt: skip
_MEDIA_ITEMS: Final = frozenset({"computer_call_output", "image_generation_call", "item_reference"})
_GEMINI_DATA: Final = ("inlineData", "inline_data", "fileData", "file_data")
_FIELDS: Final = (
    "messages", "input", "contents", "content", "requests", "system", "systemInstruction", "system_instruction",
)  # fmt: skip
_PICTURES: Final = ("image", "images", "mask", "input_reference")
_DEPTH: Final = 32


def check_only_text(body: Body) -> None:
    """Raise a 403 that names the first part that is not text."""
    for name in (*body.files, *(key for key in _PICTURES if key in body and body.raw(key) != b"null")):
        raise denied(f"This agent may send text only, and {shown(name)} is none.", "vision_not_allowed", name)
    for key in _FIELDS:
        if key in body:
            value = body.get(key)
            entries = value if isinstance(value, list) else [value]
            for entry in entries:
                found = _find(entry, 0)
                if found is not None:
                    raise denied(
                        f"This agent may send text only. {key!r} has a part of type {shown(found)}.",
                        "vision_not_allowed",
                        key,
                    )
    if isinstance(body.get("prompt"), dict):
        raise denied("This agent may send text only, and a stored prompt may bring more. Leave out 'prompt'.",
                     "vision_not_allowed", "prompt")  # fmt: skip


def _find(entry: object, depth: int) -> str | None:
    """Return the type of the first part that is not text, looking into a message, an item or a part."""
    if not isinstance(entry, dict):
        return None
    if depth > _DEPTH:
        return "nested too deeply"
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _MEDIA_ITEMS:
        return kind
    for key in _GEMINI_DATA:
        if entry.get(key) is not None:
            return key
    if kind == "input_image" or "image_url" in entry:  # an embedding's input may be a list of bare parts
        return "image_url"
    for key in ("content", "output", "parts", "response"):
        found = _find_in_parts(entry.get(key), depth + 1)
        if found is not None:
            return found
    nested = entry.get("functionResponse", entry.get("function_response"))
    return _find(nested, depth + 1)


def _find_in_parts(parts: object, depth: int) -> str | None:
    if isinstance(parts, dict):
        return _find_in_part(parts, depth)
    if not isinstance(parts, list):
        return None
    for part in parts:
        found = _find_in_part(part, depth)
        if found is not None:
            return found
    return None


def _find_in_part(part: object, depth: int) -> str | None:
    if not isinstance(part, dict):
        return None
    kind = part.get("type")
    if kind == "document":
        return _find_in_document(part, depth)
    if isinstance(kind, str) and kind not in _TEXT_PARTS and not kind.endswith(("_result", "_error")):
        return kind
    return _find(part, depth)


def _find_in_document(part: dict[str, object], depth: int) -> str | None:
    # Anthropic: a document of plain text, or one made of parts, is no file.
    source = part.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "text":
        return None
    return _find(source, depth + 1) if kind == "content" else "document"
