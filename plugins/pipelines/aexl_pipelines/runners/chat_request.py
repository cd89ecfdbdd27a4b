"""What the runner ``http`` sends: a chat request, and the conversation before it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from aexl.api.runners import RunnerRequest
from aexl.errors import Invalid, NotFound
from aexl_pipelines.runners.launching import effort

Message = Mapping[str, str]

_SESSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def conversation_path(request: RunnerRequest, session: str) -> Path:
    """Return where a conversation is kept.

    Raises:
        Invalid: If the session's id is no name for a file.
    """
    if _SESSION.fullmatch(session) is None:
        raise Invalid(f"runner http needs a session id of letters, digits, '-' and '_', not {session!r}")
    return request.home / "chat" / f"{session}.json"


def read_conversation(path: Path) -> list[Message]:
    """Return what was said before. Blocks.

    Raises:
        NotFound: If there is no such conversation.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Message])
    except FileNotFoundError as error:
        raise NotFound(f"runner http has no session {path.stem!r} in this home") from error


def write_conversation(path: Path, messages: Sequence[Message]) -> None:
    """Keep what was said, whole or not at all. Blocks."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(messages))
    beside.chmod(0o600)
    beside.replace(path)


def messages_for(request: RunnerRequest, earlier: Sequence[Message], most: int | None) -> list[Message]:
    """Return the messages to send: the system's, what was said before (the last ``most``), the prompt."""
    system = "\n\n".join(part for part in (request.system, *request.append_system) if part)
    said = [message for message in earlier if message.get("role") != "system"]
    first = [{"role": "system", "content": system}] if system else [m for m in earlier if m.get("role") == "system"][:1]
    if most is not None:
        said = said[max(len(said) - most, 0) :]
    return [*first, *said, {"role": "user", "content": request.prompt}]


def body_for(request: RunnerRequest, messages: Sequence[Message]) -> dict[str, object]:
    """Return the body of a streamed request."""
    sampling = request.sampling
    how_much = effort(sampling.thinking)
    optional: dict[str, object] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_completion_tokens": sampling.max_tokens,
        "stop": list(sampling.stop) or None,
        "reasoning_effort": "high" if how_much == "max" else how_much,
    }
    if request.schema is not None:
        form = {"name": "answer", "schema": request.schema}
        optional["response_format"] = {"type": "json_schema", "json_schema": form}
    return {
        "model": request.model,
        "messages": list(messages),
        **{key: value for key, value in optional.items() if value is not None},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
