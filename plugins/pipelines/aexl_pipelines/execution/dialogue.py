"""What an agent and its tools said to one another, turn by turn. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from aexl.api.runners import RunnerEvent, Text, ToolResult, ToolUse

MOST: Final = 200_000
"""Characters of texts, inputs and results that are kept; what comes after them is left out."""

Turn = Mapping[str, object]
"""``type`` is ``assistant`` or ``user`` (what the tools answered), ``content`` a list of parts, each with a ``type``."""


class Dialogue:
    """The turns of one attempt, as its events come in."""

    def __init__(self) -> None:
        self._turns: list[tuple[str, list[dict[str, object]]]] = []
        self._pieces: list[str] = []
        self._names: dict[str, str] = {}
        self._left = MOST

    def hear(self, event: RunnerEvent, short: object = None) -> None:
        """Take an event in.

        Args:
            short: What is kept of a tool's input.
        """
        match event:
            case Text(text=text, whole=whole):
                self._say(text)
                if whole:
                    self._finish_text()
            case ToolUse(id=key, name=name):
                self._names[key] = name
                self._add("assistant", {"type": "tool_use", "name": name, "input": short}, len(str(short)))
            case ToolResult(id=key, output=output, failed=failed):
                part = {"type": "tool_result", "name": self._names.get(key, ""), "result": output[: self._left]}
                self._add("user", {**part, "failed": failed}, len(output))
            case _:
                pass

    def turns(self, response: str | None) -> tuple[Turn, ...]:
        """Return the turns; an agent that was not heard speaking has said ``response``."""
        self._finish_text()
        if response and not any(part["type"] == "text" for _, parts in self._turns for part in parts):
            self._say(response)
            self._finish_text()
        return tuple({"type": who, "content": list(parts)} for who, parts in self._turns)

    def _say(self, text: str) -> None:
        text = text[: max(0, self._left)]
        self._left -= len(text)
        self._pieces.append(text)

    def _finish_text(self) -> None:
        text, self._pieces = "".join(self._pieces), []
        if text:
            self._put("assistant", {"type": "text", "text": text})

    def _add(self, who: Literal["assistant", "user"], part: dict[str, object], size: int) -> None:
        self._finish_text()
        if self._left <= 0:
            return
        self._left -= size
        self._put(who, part)

    def _put(self, who: str, part: dict[str, object]) -> None:
        if not self._turns or self._turns[-1][0] != who:
            self._turns.append((who, []))
        self._turns[-1][1].append(part)
