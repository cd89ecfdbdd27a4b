"""What the work of a step has come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aexl.api.money import Usage
from aexl.api.runners import RunnerError, Totals


class ToolUsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tool that an agent used."""

    name: str
    input: object = None
    failed: bool = False


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a step's work has come to.

    Attributes:
        prompt: What the agent was asked.
        response: The answer; ``None`` for a program, which has ``stdout``.
        structured: The answer as JSON, held against the step's schema.
        outputs: Further fields that later steps may name: a step type's outputs, ``modified``, ``index``.
        cost: At the runner's own prices; of a loop or a call, that of all within.
        booked: What the ledger has booked for it, where it is governed.
        turns: Answers of models.
        dialogue: What the agent and its tools said, turn by turn, where the pipeline names it: see ``Dialogue.turns``.
        session: What a later step may resume.
        totals: What the agent's session has counted so far.
        home: The name of the agent's folder below ``homes``, for going on in its session.
        cached: The answer was there already: nothing was paid for.
    """

    runner: str | None = None
    model: str | None = None
    prompt: str | None = None
    response: str | None = None
    structured: object = None
    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None
    outputs: Mapping[str, object] = {}
    tools: tuple[ToolUsed, ...] = ()
    usage: Usage | None = None
    cost: int | None = None
    booked: int | None = None
    turns: int | None = None
    dialogue: tuple[Mapping[str, object], ...] = ()
    session: str | None = None
    totals: Totals | None = None
    home: str | None = None
    cached: bool = False
    error: RunnerError | None = None
