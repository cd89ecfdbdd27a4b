"""The names that templates and expressions may use, and what steps have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from aexl_pipelines.language.expressions.references import Reference
from aexl_pipelines.language.model import (
    ActionBody,
    DoWhileBody,
    ForEachBody,
    McpBody,
    ShellBody,
    SpecBody,
    Step,
    UseBody,
)
from aexl_pipelines.language.problems import suggest

VARIABLES: Final[Mapping[str, str]] = {
    "step.invocation.prompt": "The human's prompt; in another pipeline, what it was called with. Early spelling: `session.invocation_prompt`.",
    "step.invocation.response": "The answer to it.",
    "last_response": "The latest answer of the run.",
    "step.ID.response": "The answer of a prompt, skill, pipeline, loop or join.",
    "step.ID.prompt": "What the agent was asked.",
    "step.ID.stdout": "What a `context` step printed; `.stderr` and `.exit_code` beside it.",
    "step.ID.result": "The answer; of a program: stdout and stderr, joined by a line end where there are both.",
    "step.ID.items": "The answer, where it is a JSON list.",
    "step.ID.json": "The answer as JSON, with or without a Markdown fence; go on with dots: `step.ID.json.findings[0].file`.",
    "step.ID.FIELD": "The same for short: a field of the JSON answer.",
    "step.ID.tool_calls": "The tools that the agent used, as a JSON list.",
    "step.ID.modified": "What a person made of it (`modify_output`).",
    "step.ID.index": "How often a loop's body ran.",
    "step.ID.status": "`completed`, `skipped`, `failed`, …",
    "step.ID.diff": "What the step changed in the files, as a patch.",
    "step.ID.files_changed": "The paths that it changed, as a JSON list.",
    "step.ID.cost_usd": "What it cost.",
    "step.ID.session_id": "The agent's session.",
    "step.ID.model": "The model that answered.",
    "step.ID.turns": "What the agent and its tools said in the last attempt, as a JSON list: `step.ID.turns[0].type` is `assistant` or `user`, and `.content[0].type` is `text` (with `text`), `tool_use` (`name`, `input`) or `tool_result` (`name`, `result`, `failed`). At most 200,000 characters.",
    "step.ID.turn_count": "How many answers of models it took, where the runner counts them.",
    "step.LOOP::ID.FIELD": "An inner step's entry, from outside: that of the last iteration.",
    "step.ID::before::0.FIELD": "An entry of a chain; `::then::` likewise.",
    "step.ID__on_result.response": "The answer of the pipeline that a branch ran.",
    "session.tool": "The agent in use.",
    "session.cwd": "The folder of the run.",
    "pipeline.run_id": "The run's id.",
    "env.NAME": "A variable of the environment.",
    "inputs.NAME": "An input.",
    "secrets.NAME": "A secret; masked wherever else it turns up.",
    "do_while.iteration": "Counted from 0; `do_while.max_iterations` beside it.",
    "do_while[N].ID.FIELD": "An inner step's entry of iteration N, within the loop.",
    "for_each.item": "The item, also under the loop's `as`; go on with dots into JSON. In a matrix: `for_each.AXIS`.",
    "for_each.index": "Counted from 1; `for_each.total` beside it.",
}
"""By name, with what each is; upper case stands for your own words."""

_SESSION: Final = ("tool", "cwd")
_RUN: Final = ("run_id",)
_PROGRAM: Final = frozenset({"stdout", "stderr", "exit_code"})
_AGENT: Final = frozenset({"response", "tool_calls", "session_id", "turns", "turn_count", "model", "cost_usd"})
_EVERY: Final = frozenset({"status", "diff", "files_changed", "result", "prompt"})


@dataclass(frozen=True)
class Scope:
    """What may be named at one place.

    Attributes:
        known: Steps that have surely ended, by every name that they have here; ``None`` for
            an entry whose fields are not known.
        unfinished: Branches that nothing has waited for here.
        later: Steps that come later in the same list.
        loop: Names below ``for_each``, where there is one around.
        extra: Names that count at this place only, and before ``known``.
    """

    known: Mapping[str, Step | None]
    unfinished: frozenset[str] = frozenset()
    later: AbstractSet[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    loop: frozenset[str] | None = None
    in_do_while: bool = False
    extra: Mapping[str, Step | None] = field(default_factory=dict)


def explain(reference: Reference, scope: Scope) -> tuple[str, str] | None:
    """Return what is wrong with a name at a place, and what to write instead; ``None`` for nothing."""
    match reference.root:
        case "step":
            return _explain_step(reference, scope)
        case "last_response" | "env":
            if reference.root == "env" and len(reference.parts) != 2:
                return "env needs the name of one variable", "write env.HOME, for example"
            return None
        case "session":
            return _explain_word(reference, _SESSION)
        case "pipeline":
            return _explain_word(reference, _RUN)
        case "inputs":
            return _explain_declared(reference, scope.inputs, "input")
        case "secrets":
            return _explain_declared(reference, scope.secrets, "secret")
        case "do_while":
            if not scope.in_do_while:
                return f"{reference} has a value only within a do_while", "after a loop, write step.LOOP.index"
            if len(reference.parts) > 1 and isinstance(reference.parts[1], int):
                return None
            return _explain_word(reference, ("iteration", "max_iterations"))
        case "for_each":
            if scope.loop is None:
                return f"{reference} has a value only within a for_each", "write it in one of the loop's steps"
            return _explain_word(reference, tuple(sorted(scope.loop)), deeper=True)
        case _:
            roots = ("step", "last_response", "session", "pipeline", "env", "inputs", "secrets", "do_while", "for_each")
            return f"there is no name {str(reference)[:80]!r}", suggest(str(reference.root), roots)


def _explain_word(reference: Reference, words: tuple[str, ...], *, deeper: bool = False) -> tuple[str, str] | None:
    parts = reference.parts
    if len(parts) < 2 or str(parts[1]) not in words:
        name = str(parts[1]) if len(parts) > 1 else ""
        return f"there is no name {str(reference)[:80]!r}", suggest(name, words) or f"known are {', '.join(words)}"
    if len(parts) > 2 and not deeper:
        return f"{parts[0]}.{parts[1]} has no parts", f"write {parts[0]}.{parts[1]}"
    return None


def _explain_declared(reference: Reference, declared: frozenset[str], what: str) -> tuple[str, str] | None:
    name = str(reference.parts[1]) if len(reference.parts) > 1 else ""
    if name in declared:
        return None
    hint = suggest(name, declared) or f"declare it in '{what}s:'"
    return f"there is no {what} {name[:60]!r}", hint


def _explain_step(reference: Reference, scope: Scope) -> tuple[str, str] | None:
    parts = [str(part) for part in reference.parts[1:]]
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in scope.extra:
            return _explain_field(name, scope.extra[name], parts[length:])
        if name in scope.known:
            return _explain_field(name, scope.known[name], parts[length:])
        if name in scope.unfinished:
            return f"the step {name!r} may still run here", f"add {name!r} to 'depends_on'"
        if name in scope.later:
            return f"the step {name!r} runs later than this", f"put this step behind {name!r}"
    name = parts[0] if parts else ""
    hint = (
        suggest(name, [*scope.extra, *scope.known, *scope.unfinished, *scope.later]) or "see aexl pipeline show"
        if name
        else "write step.ID.response"
    )
    return f"there is no step {name[:60]!r}", hint


def _explain_field(name: str, step: Step | None, rest: list[str]) -> tuple[str, str] | None:
    if not rest:
        return f"step.{name} is a step, not a value", f"write step.{name}.response, for example"
    wanted = rest[0]
    if step is None or wanted in _EVERY:
        return None
    match step.body:
        case ShellBody() | SpecBody() | McpBody():
            if wanted in _AGENT:
                return f"the step {name!r} is no agent's and has no {wanted!r}", f"write step.{name}.stdout"
        case ActionBody(action="modify_output"):
            if wanted in _AGENT | _PROGRAM:
                return f"the step {name!r} has no {wanted!r}", f"write step.{name}.modified"
        case UseBody():
            return None
        case DoWhileBody() | ForEachBody():
            if wanted in _PROGRAM:
                return f"the step {name!r} is a loop and has no {wanted!r}", f"write step.{name}::ID.{wanted}"
        case _:
            if wanted in _PROGRAM:
                return f"the step {name!r} runs no program and has no {wanted!r}", f"write step.{name}.response"
    return None
