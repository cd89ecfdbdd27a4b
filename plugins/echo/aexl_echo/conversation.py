"""What was said, and what the echo says to it, whatever the dialect.

A token is a word: what stands between blanks, with the blanks before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from aexl.api import Body

_WORD = re.compile(r"\s*\S+")
_CALL = re.compile(r"call (\S+) (\{.*\})\s*", re.DOTALL)
_COUNTED = (
    "system", "instructions", "messages", "input", "tools", "prompt", "contents", "content", "requests", "systemInstruction",
    "system_instruction",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer: words, or a call of the tool ``tool`` with ``words`` as its arguments.

    ``complete`` is false where the output limit cut it short.
    """

    words: tuple[str, ...]
    tool: str | None
    complete: bool
    input_tokens: int

    @property
    def text(self) -> str:
        """The words, joined."""
        return "".join(self.words)

    @property
    def output_tokens(self) -> int:
        """One for each word."""
        return len(self.words)


def answer(body: Body, limit: int | None) -> Said:
    """Return the last message as the answer to itself.

    ``call NAME {…}`` is answered with a call of the tool NAME, if the request
    offers it and the limit has room for its arguments.
    """
    text, is_result = _last(body)
    asked = None if is_result else _CALL.fullmatch(text)
    if asked is not None and asked[1] in _tools(body) and _is_object(asked[2]):
        arguments = _WORD.findall(asked[2])
        if limit is None or len(arguments) <= limit:
            return Said(words=tuple(arguments), tool=asked[1], complete=True, input_tokens=count(body))
    words = _WORD.findall(text) or ["(silence)"]
    kept = words if limit is None else words[:limit]
    return Said(words=tuple(kept), tool=None, complete=len(kept) == len(words), input_tokens=count(body))


def count(body: Body) -> int:
    """Return the words of every string in the messages, instructions and tools; at least one."""
    return max(1, sum(len(_WORD.findall(text)) for key in _COUNTED for text in _strings(body.get(key))))


def _last(body: Body) -> tuple[str, bool]:
    """Return the text of the last message, and whether it is a tool's result."""
    contents = body.get("contents")
    if contents is not None:
        return _last_of_gemini(contents)
    messages = body.get("messages", body.get("input", body.get("prompt")))
    if not isinstance(messages, list):
        return str(messages or ""), False
    last = messages[-1] if messages else {}
    if not isinstance(last, dict):
        return "", False
    content = last.get("content", last.get("output"))
    parts = content if isinstance(content, list) else [{"text": content}]
    results = [part for part in parts if isinstance(part, dict) and part.get("type") == "tool_result"]
    is_result = bool(results) or last.get("role") == "tool" or last.get("type") == "function_call_output"
    found = [text for part in parts if isinstance(part, dict) for text in _texts(part)]
    return "\n".join(found), is_result


def _last_of_gemini(contents: object) -> tuple[str, bool]:
    last = contents[-1] if isinstance(contents, list) and contents else contents
    parts = last.get("parts") if isinstance(last, dict) else None
    entries = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    results = [part["functionResponse"] for part in entries if isinstance(part.get("functionResponse"), dict)]
    said = [json.dumps(result.get("response")) for result in results]
    return "\n".join(said or [text for part in entries for text in _texts(part)]), bool(results)


def _texts(part: dict[str, object]) -> Iterator[str]:
    text = part.get("text", part.get("content"))
    if isinstance(text, str):
        yield text
    for inner in text if isinstance(text, list) else []:
        if isinstance(inner, dict):
            yield from _texts(inner)


def _tools(body: Body) -> set[object]:
    tools = body.get("tools")
    entries = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    wrapped = [tool["function"] for tool in entries if isinstance(tool.get("function"), dict)]
    lists = [tool.get("functionDeclarations") for tool in entries]
    declared = [entry for names in lists if isinstance(names, list) for entry in names if isinstance(entry, dict)]
    return {entry.get("name") for entry in (*entries, *wrapped, *declared)}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
