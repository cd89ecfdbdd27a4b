"""Whether a body holds all of its input, or refers to more of it elsewhere.

What a body holds as text has at most one token a byte. What it refers to (an earlier
response, a file, a picture) does not show its size, and a picture's tokens are not
bounded by its bytes even where it stands in the body. Such calls are bounded by the
model's context.

Most bodies are settled by searching their raw bytes: only types that are known to hold
text may occur. JSON can spell a letter as an escape, so a body with escapes of ASCII
letters is decoded like one with another type; then what was read is what is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aexl.api import Body, Surface

_SCHEMA: Final = "array|boolean|integer|null|number|object|string"
_TEXT: Final = "text|refusal|ephemeral|function|custom"
_NOTHING: Final[frozenset[str]] = frozenset()
_ESCAPE: Final = re.compile(rb"\\u00[2-7]")


def _suspect(types: str, marks: str) -> re.Pattern[bytes]:
    """Return what finds a type that is not known to hold text, or a key that a part without a type may have."""
    keys = marks.replace("|", '"|')  # one alternation of all, because it is tried at every quote
    return re.compile(rf'"(?:{keys}"|type"\s*:\s*"(?!(?:{_TEXT}|{_SCHEMA}{types})"))'.encode())


_CHAT: Final = _suspect("", "image_url|input_audio|audio|file|video_url")
_RESPONSES: Final = _suspect(
    "|message|input_text|output_text|summary_text|reasoning_text|function_call|function_call_output"
    "|custom_tool_call|custom_tool_call_output|namespace|grammar",
    "id|image_url|file_id|file_url|file_data|input_audio",
)
_MESSAGES: Final = _suspect(
    "|tool_use|tool_result|thinking|redacted_thinking|server_tool_use|web_search_tool_result|web_search_result",
    "source|file_id",
)

_GEMINI: Final = re.compile(rb'"\w*(?:[dD]ata|[uU]ri|toolResponse|tool_response)"')
"""Every part that is no text has its bytes, or where they are, under such a key."""

_GEMINI_DATA: Final = frozenset({"inlineData", "inline_data", "fileData", "file_data"})
_DEPTH: Final = 64
_GEMINI_TEXTS: Final = ("contents", "content", "requests", "systemInstruction", "system_instruction")

_TEXT_PARTS: Final = frozenset({"text", "refusal", "input_text", "output_text", "summary_text", "reasoning_text"})
_PARTS: Final[Mapping[str, str]] = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "input_audio": "audio",
    "video_url": "video",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "container_upload": "file",
}
_WHOLE_ITEMS: Final = frozenset(
    {
        "additional_tools",
        "apply_patch_call",
        "apply_patch_call_output",
        "compaction",
        "custom_tool_call",
        "function_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_response",
        "mcp_list_tools",
        "shell_call",
        "shell_call_output",
    }
)
_OUTPUT_ITEMS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_WHOLE_BLOCKS: Final = frozenset(
    {"text", "tool_use", "thinking", "redacted_thinking", "search_result", "server_tool_use", "web_search_tool_result"}
)


def find_references(surface: Surface, body: Body) -> frozenset[str]:
    """Return what kinds of input stand elsewhere or are no text; empty when the bytes bound the input.

    Kinds are ``image``, ``audio``, ``video``, ``file``, ``reference`` and ``unknown``.

    Raises:
        Invalid: If a value that must be looked at cannot be decoded.
    """
    if surface == "chat":
        return _scan(body, "messages", _CHAT, _chat)
    if surface == "messages":
        found = _scan(body, "messages", _MESSAGES, _messages)
        if "system" in body:
            found |= _scan(body, "system", _MESSAGES, _blocks)
        return found | _named(body, ("container", "mcp_servers"))
    if surface == "responses":
        found = _scan(body, "input", _RESPONSES, _responses)
        return found | _named(body, ("previous_response_id", "conversation", "prompt"))
    if surface in ("gemini", "gemini_embeddings"):
        found = _NOTHING
        for key in _GEMINI_TEXTS:
            if key in body:
                found |= _scan(body, key, _GEMINI, _gemini)
        return found | _named(body, ("cachedContent", "cached_content"))
    if surface == "embeddings":
        return _scan(body, "input", _CHAT, _parts_of)
    return _NOTHING


def spells(raw: bytes) -> bool:
    """Say whether a word may stand in JSON as escapes."""
    return raw.find(b"\\u00") >= 0 and _ESCAPE.search(raw) is not None


def _named(body: Body, keys: Sequence[str]) -> frozenset[str]:
    for key in keys:
        if key in body and body.raw(key) not in (b"null", b"[]"):
            return frozenset({"reference"})
    return _NOTHING


def _scan(body: Body, key: str, suspect: re.Pattern[bytes], walk: Callable[[object], set[str]]) -> frozenset[str]:
    raw = body.raw(key)
    if raw is None or (suspect.search(raw) is None and not spells(raw)):
        return _NOTHING
    return frozenset(walk(body.get(key)))


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _chat(value: object) -> set[str]:
    found: set[str] = set()
    for message in _items(value):
        if isinstance(message, dict):
            if message.get("audio") is not None:
                found.add("audio")
            found |= _parts(message.get("content"))
    return found


def _parts_of(value: object) -> set[str]:
    """Return the kinds of an embedding's inputs: texts, tokens, or parts."""
    items = _items(value)
    return _parts(items) | {"unknown" for item in items if isinstance(item, dict) and "content" in item}


def _gemini(value: object, depth: int = 0) -> set[str]:
    """Return the kinds of what is no text, wherever in a conversation it stands: also in a function's result."""
    found: set[str] = set()
    if depth > _DEPTH:
        return {"unknown"}
    if isinstance(value, list):
        for item in value:
            found |= _gemini(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _GEMINI_DATA and isinstance(item, dict):
                found.add(_kind_of(item.get("mimeType", item.get("mime_type"))))
            elif key in ("toolResponse", "tool_response"):
                found.add("reference")
            elif key not in ("args", "response"):  # a function's own words, in which any key may stand
                found |= _gemini(item, depth + 1)
    return found


def _kind_of(mime_type: object) -> str:
    kind = mime_type.partition("/")[0] if isinstance(mime_type, str) else ""
    return kind if kind in ("image", "audio", "video") else "file" if kind in ("application", "text") else "unknown"


def _parts(content: object) -> set[str]:
    """Return the kinds of the parts of a message's content that are no text."""
    found: set[str] = set()
    for part in _items(content):
        if not isinstance(part, dict):
            continue
        kind = part.get("type")
        if kind in _TEXT_PARTS:
            continue
        named = [_PARTS[key] for key in part if key in _PARTS] if kind is None else [_PARTS.get(str(kind), "unknown")]
        found |= set(named)
    return found


def _responses(value: object) -> set[str]:
    found: set[str] = set()
    for item in _items(value):
        if not isinstance(item, dict):
            continue
        kind = item.get("type")
        if kind == "message" or (kind is None and "role" in item):
            found |= _parts(item.get("content"))
        elif kind in _OUTPUT_ITEMS:
            found |= _parts(item.get("output"))
        elif kind == "reasoning":
            if not item.get("encrypted_content"):
                found.add("reference")  # its text is kept by the provider, under its id
        elif kind is None or kind == "item_reference":
            found.add("reference")
        elif kind not in _WHOLE_ITEMS:
            found.add("unknown")
    return found


def _messages(value: object) -> set[str]:
    found: set[str] = set()
    for message in _items(value):
        if isinstance(message, dict):
            found |= _blocks(message.get("content"))
    return found


def _blocks(content: object) -> set[str]:
    found: set[str] = set()
    for block in _items(content):
        if not isinstance(block, dict):
            continue
        kind = block.get("type")
        if kind == "tool_result":
            found |= _blocks(block.get("content"))
        elif kind == "document" and _is_text_source(block.get("source")):
            continue
        elif kind not in _WHOLE_BLOCKS:
            found.add(_PARTS.get(str(kind), "unknown"))
    return found


def _is_text_source(source: object) -> bool:
    return isinstance(source, dict) and source.get("type") == "text"
