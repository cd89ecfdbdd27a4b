"""Where each CLI keeps its hooks, what it tells them, and how it wants to be answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from aexl.errors import Invalid, NotFound

Moment = Literal["prompt", "tool", "stop"]
"""When a hook is asked: a person has asked the agent something, it is about to use a tool, it has answered."""

Scope = Literal["project", "user"]


class HookCall(msgspec.Struct, frozen=True, kw_only=True):
    """What a CLI tells a hook; what one does not say is empty.

    Attributes:
        active: The agent goes on already because a hook has blocked its end.
        transcript: The file in which the CLI keeps the conversation.
    """

    session: str = msgspec.field(default="", name="session_id")
    cwd: str = ""
    transcript: str | None = msgspec.field(default=None, name="transcript_path")
    tool: str = msgspec.field(default="", name="tool_name")
    given: object = msgspec.field(default=None, name="tool_input")
    active: bool = msgspec.field(default=False, name="stop_hook_active")
    answer: str | None = msgspec.field(default=None, name="last_assistant_message")
    response: str | None = msgspec.field(default=None, name="prompt_response")
    prompt: str = ""

    @property
    def said(self) -> str:
        """What the agent has answered."""
        return self.answer or self.response or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One CLI.

    Attributes:
        home: Where its settings are in the person's own home, and the variable that says otherwise.
        file: The settings' name there, and in the same folder of a project.
        unit: How many of its timeouts' units a second has.
        word: What it calls a refusal at the end of an answer.
        trust: What the person must do before it runs a hook.
    """

    name: str
    folder: str
    variable: str
    nested: bool = False
    file: str
    events: Mapping[Moment, str]
    unit: int = 1
    word: str = "block"
    trust: str

    def settings(self, scope: Scope, project: Path, environ: Mapping[str, str]) -> Path:
        """Return the settings file of a scope; it need not be there."""
        if scope == "project":
            return project / self.folder / self.file
        home = environ.get(self.variable)
        if home and not self.nested:
            return Path(home) / self.file
        return Path(home or environ.get("HOME") or Path.home()) / self.folder / self.file

    def block(self, reason: str) -> dict[str, object]:
        """Return the answer that makes the agent go on, with the reason as its task."""
        return {"decision": self.word, "reason": reason}

    def deny(self, reason: str) -> dict[str, object]:
        """Return the answer that keeps a tool from running; the agent is told the reason."""
        if self.word == "deny":
            return {"decision": "deny", "reason": reason}
        return {
            "hookSpecificOutput": {
                "hookEventName": self.events["tool"],
                "permissionDecision": "deny",
                "permissionDecisionReason": reason,
            }
        }

    @staticmethod
    def note(message: str) -> dict[str, object]:
        """Return the answer that only tells the person something."""
        return {"systemMessage": message}


DIALECTS: Final[Mapping[str, Dialect]] = {
    "claude": Dialect(
        name="claude",
        folder=".claude",
        variable="CLAUDE_CONFIG_DIR",
        file="settings.json",
        events={"prompt": "UserPromptSubmit", "tool": "PreToolUse", "stop": "Stop"},
        trust="Claude Code takes them up in its next session; '/hooks' there lists them.",
    ),
    "codex": Dialect(
        name="codex",
        folder=".codex",
        variable="CODEX_HOME",
        file="hooks.json",
        events={"prompt": "UserPromptSubmit", "tool": "PreToolUse", "stop": "Stop"},
        trust="Codex runs a hook only when you have looked at it: open '/hooks' in its next session, and trust them. "
        "A project's hooks count only in a project that it trusts.",
    ),
    "gemini": Dialect(
        name="gemini",
        folder=".gemini",
        variable="GEMINI_CLI_HOME",
        nested=True,
        file="settings.json",
        events={"prompt": "BeforeAgent", "tool": "BeforeTool", "stop": "AfterAgent"},
        unit=1000,
        word="deny",
        trust="Gemini CLI takes them up in its next session; a project's hooks count only in a folder that it trusts.",
    ),
}


def dialect_of(name: str) -> Dialect:
    """Return a CLI.

    Raises:
        NotFound: If there is none of that name.
    """
    found = DIALECTS.get(name)
    if found is None:
        raise NotFound(f"there are no hooks for {name!r}: {', '.join(DIALECTS)} have some")
    return found


def moment_of(dialect: Dialect, event: str) -> Moment:
    """Return what an event's name means.

    Raises:
        Invalid: If the CLI has no such event, or it is none of ours.
    """
    for moment, name in dialect.events.items():
        if event == name:
            return moment
    raise Invalid(f"{dialect.name} has no event {event!r} that a pipeline is for: {', '.join(dialect.events.values())}")


def read_call(data: bytes) -> HookCall:
    """Return what a CLI has written to a hook.

    Raises:
        Invalid: If it is not JSON of that shape.
    """
    try:
        return msgspec.json.decode(data, type=HookCall)
    except msgspec.MsgspecError as error:
        raise Invalid(f"what the CLI told the hook cannot be read: {error}") from error
