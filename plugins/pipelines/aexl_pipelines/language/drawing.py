"""A graph as text: for mermaid, for Graphviz, and for a terminal. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from aexl_pipelines.language.planning import Plan, PlanEdge, PlanStep

Within: TypeAlias = Mapping[str | None, list[PlanStep]]


def draw_mermaid(plan: Plan) -> str:
    """Return a flow chart in mermaid's language."""
    names, within = _numbered(plan), _within(plan)
    lines = ["flowchart TD"]
    lines += _mermaid_level(within, None, names, 1)
    for edge in plan.edges:
        arrow = {"then": "-->", "waits": "-.->", "branch": "==>"}[edge.relation]
        label = f"|{_mermaid_text(edge.label)}|" if edge.label else ""
        lines.append(f"  {names[edge.start]} {arrow}{label} {names[edge.end]}")
    return "\n".join(lines) + "\n"


def _mermaid_level(within: Within, parent: str | None, names: Mapping[str, str], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for step in within[parent]:
        if within[step.path]:
            yield f'{pad}subgraph {names[step.path]}["{_mermaid_text(_label(step))}"]'
            yield from _mermaid_level(within, step.path, names, depth + 1)
            yield f"{pad}end"
        else:
            left, right = {"shell": ("[[", "]]"), "pause_for_human": ("{{", "}}")}.get(step.what, ("[", "]"))
            yield f'{pad}{names[step.path]}{left}"{_mermaid_text(_label(step))}"{right}'


def _mermaid_text(text: str) -> str:
    """Return a text in which nothing means anything to mermaid."""
    return "".join(
        character if character.isalnum() or character in " _-.,:/" else f"#{ord(character)};" for character in text
    )


def draw_dot(plan: Plan) -> str:
    """Return a graph in Graphviz's language."""
    names, within = _numbered(plan), _within(plan)
    lines = ["digraph pipeline {", "  compound=true;", "  node [shape=box, style=rounded];"]
    lines += _dot_level(within, None, names, 1)
    for edge in plan.edges:
        style = {"then": "", "waits": "style=dashed", "branch": "style=bold"}[edge.relation]
        attributes = [style] if style else []
        attributes += [f"label={_dot_text(edge.label)}"] if edge.label else []
        for key, path in (("ltail", edge.start), ("lhead", edge.end)):
            if within[path]:
                attributes.append(f"{key}=cluster_{names[path]}")
        listed = f" [{', '.join(attributes)}]" if attributes else ""
        lines.append(f"  {names[edge.start]} -> {names[edge.end]}{listed};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_level(within: Within, parent: str | None, names: Mapping[str, str], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for step in within[parent]:
        node = f"{names[step.path]} [label={_dot_text(_label(step))}];"
        if within[step.path]:
            yield f"{pad}subgraph cluster_{names[step.path]} {{"
            yield f"{pad}  label={_dot_text(step.what)};"
            yield f"{pad}  {node}"
            yield from _dot_level(within, step.path, names, depth + 1)
            yield f"{pad}}}"
        else:
            yield pad + node


def _dot_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def draw_terminal(plan: Plan, width: int = 100) -> str:
    """Return a drawing of lines, one for each step, cut at a width in characters."""
    lines: list[str] = []
    _terminal_level(_within(plan), _incoming(plan.edges), None, "", lines)
    return "\n".join(line if len(line) <= width else line[: width - 1] + "…" for line in lines) + "\n"


def _terminal_level(
    within: Within, incoming: Mapping[str, Sequence[PlanEdge]], parent: str | None, pad: str, lines: list[str]
) -> None:
    steps = within[parent]
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        joint = ("└" if last else "├") + ("╌" if step.is_async else "─")
        lines.append(f"{pad}{joint} {_line(step, incoming.get(step.path, ()))}")
        _terminal_level(within, incoming, step.path, pad + ("   " if last else "│  "), lines)


def _line(step: PlanStep, incoming: Sequence[PlanEdge]) -> str:
    text = f"{step.id}  [{step.what}{f' {step.detail}' if step.detail else ''}]"
    if step.is_async:
        text += "  async"
    if step.disabled:
        text += "  disabled"
    waited = [edge.start.rpartition("::")[2] for edge in incoming if edge.relation == "waits"]
    if waited:
        text += f"  after {', '.join(waited)}"
    if step.when:
        text += f"  {_when(step)}"
    return " ".join(text.split("\n"))


def _label(step: PlanStep) -> str:
    text = f"{step.id} ({step.what})"
    return f"{text} {_when(step)}" if step.when else text


def _when(step: PlanStep) -> str:
    return step.when if step.when.startswith("if_") else f"if {step.when}"


def _within(plan: Plan) -> Mapping[str | None, list[PlanStep]]:
    """Return the steps by what they are in."""
    found: dict[str | None, list[PlanStep]] = defaultdict(list)
    for step in plan.steps:
        found[step.parent].append(step)
    return found


def _incoming(edges: Sequence[PlanEdge]) -> dict[str, list[PlanEdge]]:
    found: dict[str, list[PlanEdge]] = {}
    for edge in edges:
        found.setdefault(edge.end, []).append(edge)
    return found


def _numbered(plan: Plan) -> dict[str, str]:
    """Return names that every tool takes: ids of steps may be anything."""
    return {step.path: f"s{number}" for number, step in enumerate(plan.steps)}
