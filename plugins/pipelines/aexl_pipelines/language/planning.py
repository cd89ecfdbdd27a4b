"""The steps of a pipeline as a graph: what runs, in which order, and what is within what. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from aexl_pipelines.language.conditions import Condition, NamedCondition, PatternCondition
from aexl_pipelines.language.expressions.formatting import format_expression
from aexl_pipelines.language.model import (
    ActionBody,
    DoWhileBody,
    ForEachBody,
    McpBody,
    Pipeline,
    PipelineBody,
    PromptBody,
    ShellBody,
    SkillBody,
    SpecBody,
    Step,
    UseBody,
    children_of,
)
from aexl_pipelines.language.ordering import waits

Relation = Literal["then", "waits", "branch"]


class PlanStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of the graph.

    Attributes:
        path: Its name in the whole pipeline.
        parent: The path of the loop, or of the step of whose chain it is; ``None`` at the top.
        what: ``prompt``, ``shell``, ``do_while`` and so on.
        detail: A few words: the runner, the limit of a loop, the pipeline that is called.
        when: Its condition as written.
    """

    path: str
    id: str
    what: str
    parent: str | None = None
    detail: str = ""
    when: str = ""
    line: int = 0
    is_async: bool = msgspec.field(default=False, name="async")
    disabled: bool = False


class PlanEdge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From a step to one that waits for it, or to which a branch of ``on_result`` leads."""

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    relation: Relation = "then"
    label: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A graph; a parent stands before what is in it."""

    steps: tuple[PlanStep, ...]
    edges: tuple[PlanEdge, ...]


def plan_pipeline(pipeline: Pipeline) -> Plan:
    """Return the graph of a pipeline's own steps. Pipelines that it calls are single steps of it."""
    steps: list[PlanStep] = []
    edges: list[PlanEdge] = []
    _plan_list(pipeline.steps, None, steps, edges)
    return Plan(steps=tuple(steps), edges=tuple(edges))


def _plan_list(listed: Sequence[Step], parent: str | None, steps: list[PlanStep], edges: list[PlanEdge]) -> None:
    by_id = {step.id: step for step in listed}
    previous: str | None = None
    for (name, awaited), step in zip(waits(listed).items(), listed, strict=False):
        _plan_step(step, parent, steps, edges)
        for start in awaited:
            relation: Relation = "then" if start == previous and not by_id[start].async_ else "waits"
            edges.append(PlanEdge(start=by_id[start].path, end=step.path, relation=relation))
        if not step.async_:
            previous = name


def _plan_step(step: Step, parent: str | None, steps: list[PlanStep], edges: list[PlanEdge]) -> None:
    what, detail = _describe(step)
    steps.append(
        PlanStep(
            path=step.path,
            id=step.id,
            what=what,
            parent=parent,
            detail=detail,
            when=when_of(step),
            line=step.place.line,
            is_async=step.async_,
            disabled=step.disabled,
        )
    )
    _plan_list(step.before, step.path, steps, edges)
    if isinstance(step.body, DoWhileBody | ForEachBody):
        _plan_list(step.body.steps, step.path, steps, edges)
    _plan_list(step.then, step.path, steps, edges)
    for branch in step.on_result:
        if branch.pipeline is not None:
            name = (
                branch.pipeline.name
                or branch.pipeline.file
                or (branch.pipeline.path.source if branch.pipeline.path else "")
            )
            target = f"{step.path}__on_result"
            steps.append(PlanStep(path=target, id=f"{step.id}__on_result", what="pipeline", parent=parent, detail=name))
            edges.append(PlanEdge(start=step.path, end=target, relation="branch", label="on_result"))


def _describe(step: Step) -> tuple[str, str]:
    body = step.body
    match body:
        case PromptBody():
            return "prompt", step.runner or ""
        case SkillBody():
            return "skill", body.skill.name
        case PipelineBody():
            path = body.target.path.source if body.target.path else ""
            return "pipeline", body.target.name or body.target.file or path
        case ActionBody():
            return body.action, ""
        case ShellBody():
            return "shell", body.command.source.strip().split("\n")[0][:60]
        case SpecBody():
            return "spec", body.word
        case McpBody():
            return "mcp", body.call.tool
        case UseBody():
            return "use", body.name
        case DoWhileBody():
            return "do_while", f"at most {body.max_iterations} times"
        case ForEachBody():
            across = " x ".join(body.matrix) if body.matrix else f"as {body.variable}"
            return "for_each", across + (f", {body.parallel} at a time" if body.parallel > 1 else "")


def when_of(step: Step) -> str:
    """Return a step's condition as a text; empty for one that always runs."""
    if step.if_ is not None:
        return format_expression(step.if_)
    return "" if step.condition is None else format_condition(step.condition)


def format_condition(condition: Condition) -> str:
    """Return a condition as a text."""
    match condition:
        case NamedCondition():
            return "" if condition.name == "always" else condition.name
        case PatternCondition():
            return f"{condition.left.source} matches {condition.pattern}"
        case _:
            return f"{condition.left.source} {condition.operator} '{condition.right.source}'"


def all_steps(pipeline: Pipeline) -> Iterator[Step]:
    """Yield every step of a pipeline, those in chains and loops and in named pipelines too."""
    for steps in (pipeline.steps, *pipeline.pipelines.values()):
        yield from _within(steps)


def _within(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for inner in children_of(step):
            yield from _within(inner)
