"""Prompts and answers in the shape of the conventions, from the dialects' own. Pure.

A message is a role and parts; a part is a text, a call of a tool, a tool's
answer, a thought, or just the name of what else there was: pictures and sound
are never attached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

Json = dict[str, Any]

_TEXTS: Final = frozenset({"text", "input_text", "output_text", "refusal"})


def input_messages(body: Mapping[str, Any]) -> tuple[list[Json], list[Json]]:
    """Return the instructions, as parts, and the conversation, as messages, of a request in any dialect."""
    system = body.get("system") or body.get("instructions") or _inner(body.get("systemInstruction"), "parts")
    if "contents" in body:
        entries: Iterable[Any] = body["contents"] if isinstance(body["contents"], list) else []
    else:
        found = body.get("messages", body.get("input", body.get("prompt")))
        entries = found if isinstance(found, list) else [] if found is None else [{"role": "user", "content": found}]
    return parts(system), [message(entry) for entry in entries]


def message(entry: object) -> Json:
    """Return one message of a conversation."""
    if not isinstance(entry, dict):
        return {"role": "user", "parts": parts(entry)}
    kind = entry.get("type")
    if kind in ("function_call", "custom_tool_call"):
        arguments = entry.get("arguments", entry.get("input"))
        return {"role": "assistant", "parts": [_tool_call(entry.get("call_id"), entry.get("name"), arguments)]}
    if kind in ("function_call_output", "custom_tool_call_output"):
        return {"role": "tool", "parts": [_tool_answer(entry.get("call_id"), entry.get("output"))]}
    role = str(entry.get("role") or "user")
    if role == "tool":
        return {"role": "tool", "parts": [_tool_answer(entry.get("tool_call_id"), entry.get("content"))]}
    found = parts(entry.get("content", entry.get("parts", entry.get("summary"))))
    for call in _objects(entry.get("tool_calls")):
        function = _inner(call, "function")
        found.append(_tool_call(call.get("id"), _inner(function, "name"), _inner(function, "arguments")))
    return {"role": "assistant" if role == "model" else role, "parts": found}


def parts(content: object) -> list[Json]:
    """Return the parts of a content in any dialect."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    if isinstance(content, dict):
        return [_part(content)]
    if isinstance(content, list):
        return [_part(item) if isinstance(item, dict) else {"type": "text", "content": str(item)} for item in content]
    return []


def _part(item: Json) -> Json:
    kind = item.get("type")
    if kind == "tool_use":
        return _tool_call(item.get("id"), item.get("name"), item.get("input"))
    if kind == "tool_result":
        return _tool_answer(item.get("tool_use_id"), item.get("content"))
    if kind in ("thinking", "reasoning_text", "summary_text"):
        return {"type": "reasoning", "content": str(item.get("thinking", item.get("text", "")))}
    if "functionCall" in item:
        call = item["functionCall"]
        return _tool_call(_inner(call, "id"), _inner(call, "name"), _inner(call, "args"))
    if "functionResponse" in item:
        answer = item["functionResponse"]
        return _tool_answer(_inner(answer, "id"), _inner(answer, "response"))
    text = item.get("text", item.get("refusal"))
    if isinstance(text, str) and (kind is None or kind in _TEXTS):
        return {"type": "reasoning" if item.get("thought") else "text", "content": text}
    return {"type": str(kind or next(iter(item), "unknown"))}


def _tool_call(id: object, name: object, arguments: object) -> Json:
    if isinstance(arguments, str):
        with suppress(
            msgspec.DecodeError
        ):  # a free-form tool's input, or the beginning of an object, is shown as it is
            arguments = msgspec.json.decode(arguments)
    return {"type": "tool_call", "id": str(id or ""), "name": str(name or ""), "arguments": arguments}


def _tool_answer(id: object, response: object) -> Json:
    if isinstance(response, list):
        response = "".join(part.get("content", "") for part in parts(response))
    return {"type": "tool_call_response", "id": str(id or ""), "response": response, "result": response}


def _inner(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _objects(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def fit(items: Sequence[Json], room: int) -> tuple[str, bool]:
    """Return messages or parts as JSON of at most ``room`` bytes, and whether something was left out.

    The newest stay; a text that does not fit is shortened.
    """
    kept: list[Json] = []
    left = room - 2
    is_whole = True
    for item in reversed(items):
        encoded = msgspec.json.encode(item)
        if len(encoded) > left:
            is_whole = False
            shortened = _shorten(item, left)
            if shortened is not None:
                kept.append(shortened)
            break
        kept.append(item)
        left -= len(encoded) + 1
    return msgspec.json.encode(kept[::-1]).decode(), is_whole


def _shorten(item: Json, room: int) -> Json | None:
    """Return a message or part whose last text is cut to fit, if that is enough."""
    holder = item["parts"][-1] if item.get("parts") else item
    text = holder.get("content")
    if not isinstance(text, str):
        return None
    bare = {**holder, "content": ""}
    shell = {**item, "parts": [bare]} if holder is not item else bare
    budget = room - len(msgspec.json.encode(shell)) - 3
    if budget <= 0:
        return None
    cut = text.encode()[:budget].decode("utf-8", "ignore")
    while cut and len(msgspec.json.encode(cut)) - 2 > budget:  # what JSON escapes grows
        cut = cut[: len(cut) * 3 // 4]
    short = {**bare, "content": f"{cut}…" if cut else ""}
    return {**item, "parts": [short]} if holder is not item else short
