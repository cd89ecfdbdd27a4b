"""What a person has asked last, where a CLI tells a hook no more than where it keeps the conversation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

_MOST: Final = 1 << 20
"""Bytes of a transcript that are looked at: its end."""

_OURS: Final = ("Stop hook feedback", "<")
"""How texts begin that a CLI, and no person, has put into a person's mouth."""


def last_prompt(transcript: str | None) -> str:
    """Return the last thing that a person has written in a session; empty where that cannot be seen. Blocks."""
    if not transcript:
        return ""
    try:
        with Path(transcript).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _MOST))
            lines = file.read().splitlines()
    except OSError:  # the person may keep it from us
        return ""
    for line in reversed(lines):
        text = _prompt(line)
        if text and not text.startswith(_OURS):
            return text
    return ""


def _prompt(line: bytes) -> str:
    try:
        entry = msgspec.json.decode(line)
    except msgspec.DecodeError:  # the first one is cut in two
        return ""
    match entry:
        case {"type": "user", "isMeta": True}:
            return ""
        case {"type": "user", "message": {"content": content}}:
            return _text(content)
        case {"type": "event_msg", "payload": {"type": "user_message", "message": str(text)}}:
            return text
        case _:
            return ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
