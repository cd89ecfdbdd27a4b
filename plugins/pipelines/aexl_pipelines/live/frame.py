"""The moving part of the screen: what runs now, in as many lines as there are. Pure."""

from __future__ import annotations

from typing import Final

from aexl_pipelines.live.lines import GATES
from aexl_pipelines.live.view import Active, View
from aexl_pipelines.live.words import dollars, duration, first_line, place

Part = tuple[str, str]
Line = list[Part]

SPINNER: Final = ("⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏")
PLAIN_SPINNER: Final = ("|", "/", "-", "\\")
_MOST_TEXT: Final = 10
"""Lines of what one step says."""
_NARROW: Final = 50
"""Columns under which only what matters most is shown."""


def draw(view: View, now: float, width: int, height: int, *, signs: bool) -> list[Line]:
    """Return the lines, at most ``height`` of them, each a list of texts with a style."""
    if view.over is not None or not view.main:
        return []
    steps = [step for step in view.active.values() if not _is_frame(step, view)]
    gates = list(view.gates.values())
    room = max(0, height - 1 - len(gates))
    shown = steps[: max(1, room)] if room else []
    lines: list[Line] = []
    each = max(0, min(_MOST_TEXT, room // len(shown) - 1)) if shown else 0
    for step in shown:
        lines.append(_headline(step, now, width, signs=signs))
        lines.extend(_tail(step, width, each))
    if len(steps) > len(shown) and lines:
        lines[-1] = [(f"and {len(steps) - len(shown) + 1} more steps", "dim")]
    for gate in gates[: max(1, height - 1)]:
        lines.append([("? ", "bold yellow"), (f"{place(gate.step)} {GATES[gate.kind]}", "yellow"), *_answer(gate.id)])
    return [*lines[: max(0, height - 1)], _footer(view, now)][:height]


def _is_frame(step: Active, view: View) -> bool:
    """Return whether a step is only what others are in, and has nothing to show of its own."""
    run, address = step.key
    return any(key[0] == run and key[1] != address and _is_within(key[1], address) for key in view.active)


def _is_within(inner: str, outer: str) -> bool:
    return inner.startswith((f"{outer}#", f"{outer}::"))


def _headline(step: Active, now: float, width: int, *, signs: bool) -> Line:
    frames = SPINNER if signs else PLAIN_SPINNER
    line: Line = [(frames[int(now * 8) % len(frames)] + " ", "cyan"), (place(step.key[1]), "bold")]
    line.append((f" {duration(now - step.began)}", "dim"))
    facts = [step.status]
    if width >= _NARROW:
        who = " ".join(part for part in (step.runner, step.model) if part) or step.kind
        tools = f"{step.tools} tool{'s' if step.tools != 1 else ''}, last {step.tool}" if step.tools else ""
        facts = [who, f"{dollars(step.cost)} USD" if step.cost else "", tools, step.status]
    told = " · ".join(fact for fact in facts if fact)
    return [*line, (f"  {told}", "dim")] if told else line


def _tail(step: Active, width: int, most: int) -> list[Line]:
    if not most:
        return []
    if not step.tail.strip():
        return [[("  thinking…", "dim italic")]] if step.thinking else []
    from rich.cells import chop_cells

    rows: list[str] = []
    for line in reversed(step.tail.rstrip("\n").split("\n")[-most:]):
        rows[:0] = chop_cells(line, max(width - 2, 4)) or [""]
        if len(rows) >= most:
            break
    return [[("  " + row, "")] for row in rows[-most:]]


def _answer(gate: str) -> Line:
    return [(f"  aexl pipeline approve {gate}", "dim")]


def _footer(view: View, now: float) -> Line:
    done = len(view.ended) + view.dropped
    facts = [f"{done} step{'s' if done != 1 else ''} done", duration(now - view.began)]
    if view.cost:
        facts.append(f"{dollars(view.cost)} USD")
    return [(" · ".join(facts), "dim"), (f"  run {first_line(view.main)}", "dim")]
