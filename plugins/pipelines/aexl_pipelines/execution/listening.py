"""Hearing an agent while it works: its events are told, its questions asked, its budgets watched."""

from __future__ import annotations

from typing import Final

import msgspec
import trio

from aexl.api.money import Usage
from aexl.api.runners import (
    Asked,
    Decision,
    RunnerError,
    RunnerEvent,
    Spent,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from aexl_pipelines.execution.accounting import step_exceeded
from aexl_pipelines.execution.dialogue import Dialogue
from aexl_pipelines.execution.gating import ask
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.journal.records import ToolUsed, Verdict, total, total_usage

MOST_TOOLS: Final = 500
"""Uses of tools that a step's entry has; further ones are told and not kept."""

_MOST_INPUT: Final = 4_000


class Listener:
    """One attempt of an agent.

    Attributes:
        scope: What is around the runner: cancelled when a budget is used up.
        over: Which budget that was.
        usage: What the agent says it has used so far; ``cost`` and ``turns`` likewise.
        dialogue: What was said; nothing where no name in the pipeline asks for it.
    """

    def __init__(self, instance: Instance) -> None:
        self.scope = trio.CancelScope()
        self.over: RunnerError | None = None
        self.usage: Usage | None = None
        self.cost: int | None = None
        self.turns = 0
        self.dialogue = Dialogue() if instance.run.wants_turns else None
        self._instance = instance
        self._speaker = instance.speaker()
        self._tools: dict[str, ToolUsed] = {}

    async def hear(self, event: RunnerEvent) -> None:
        """Take an event in, and tell it."""
        instance = self._instance
        if self.dialogue is not None:
            self.dialogue.hear(event, _short(event.input) if isinstance(event, ToolUse) else None)
        match event:
            case Text(text=text, whole=whole):
                self._speaker.say(text)
                if whole:
                    self._speaker.finish()
                return
            case Thinking():
                if not instance.step.display or not instance.step.trace:
                    return
            case ToolUse(id=key, name=name, input=given):
                self._use(key, ToolUsed(name=name, input=_short(given)))
            case ToolResult(id=key, failed=True):
                if key in self._tools:
                    self._tools[key] = msgspec.structs.replace(self._tools[key], failed=True)
            case Spent(usage=usage, cost=cost):
                self._spend(usage, cost)
            case _:
                pass
        instance.run.show(instance.address, event)

    def _use(self, key: str, tool: ToolUsed) -> None:
        if len(self._tools) < MOST_TOOLS:
            self._tools[key if key not in self._tools else f"{key}#{len(self._tools)}"] = tool

    def _spend(self, usage: Usage, cost: int | None) -> None:
        self.usage, self.cost = total_usage((self.usage, usage)), total((self.cost, cost))
        self.turns += 1
        instance = self._instance
        self.over = (
            self.over
            or step_exceeded(instance.settings.budget, *instance.spent(self.usage, self.cost), 0)  # turns: the runner's
            or instance.flow.account.exceeded(usage=self.usage, cost=self.cost)
        )
        if self.over is not None:
            self.scope.cancel()

    def tools(self) -> tuple[ToolUsed, ...]:
        """Return the tools that were used."""
        return tuple(self._tools.values())

    def finish(self) -> None:
        """Tell what was held back."""
        self._speaker.finish()

    async def decide(self, asked: Asked) -> Decision:
        """Ask a person for a permission; without anybody, it is denied."""
        instance = self._instance
        detail: dict[str, object] = {"tool": asked.tool, "input": instance.run.masker.value(asked.input)}
        role = f"permission {asked.id} {instance.attempt} {instance.began}"
        verdict = await ask(
            instance.run,
            instance.address,
            "permission",
            role,
            text=f"{asked.tool}: {asked.detail}" if asked.detail else f"May the agent use {asked.tool}?",
            content=_as_json(asked.input),
            editable=True,
            detail=detail,
        )
        return _decision(verdict)


def _decision(verdict: Verdict) -> Decision:
    if verdict.choice == "reject":
        return Decision(allow=False, reason=verdict.reason or "It was not allowed.")
    if verdict.choice == "edit" and verdict.text is not None:
        try:
            return Decision(allow=True, input=msgspec.json.decode(verdict.text), reason=verdict.reason)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return Decision(allow=False, reason="What it was changed to is no JSON.")
    return Decision(allow=True, reason=verdict.reason)


def _as_json(value: object) -> str:
    return "" if value is None else msgspec.json.format(msgspec.json.encode(value, enc_hook=str)).decode()


def _short(value: object) -> object:
    """Return a tool's input, cut short where it is long: whole files may be in it."""
    text = _as_json(value)
    return value if len(text) <= _MOST_INPUT else text[:_MOST_INPUT] + "..."
