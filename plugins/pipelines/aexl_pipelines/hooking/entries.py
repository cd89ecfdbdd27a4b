"""Our entries in a CLI's settings: put in, found, and taken out again, everything else kept. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aexl_pipelines.hooking.dialects import Dialect, Moment
from aexl_pipelines.hooking.jsonc import Node, append, parse, remove

_OURS: Final = re.compile(r"\bpipeline hook run \w+ --for (\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookOptions:
    """What a hook is installed with.

    Attributes:
        pipeline: As given; the folder's own where it is ``None``.
        timeout: Seconds that a chain after an answer may take.
        wait: Seconds that a question to a person waits for an answer from elsewhere.
        rounds: How often in a row an agent is sent back to its work.
    """

    pipeline: str | None = None
    on_gate: str | None = None
    timeout: float = 1800.0
    wait: float = 0.0
    rounds: int = 3

    def words(self) -> list[str]:
        """Return the options of ``aexl pipeline hook run`` that say the same; defaults are left out."""
        default = HookOptions()
        pairs = {
            "--pipeline": self.pipeline,
            "--on-gate": self.on_gate,
            "--timeout": f"{self.timeout:g}" if self.timeout != default.timeout else None,
            "--wait": f"{self.wait:g}" if self.wait != default.wait else None,
            "--rounds": str(self.rounds) if self.rounds != default.rounds else None,
        }
        return [word for name, value in pairs.items() if value is not None for word in (name, value)]


def commands(dialect: Dialect, program: Sequence[str], options: HookOptions) -> dict[Moment, str]:
    """Return the line of shell for each moment."""
    return {
        moment: shlex.join([*program, "pipeline", "hook", "run", event, "--for", dialect.name, *options.words()])
        for moment, event in dialect.events.items()
    }


def put_in(text: str, dialect: Dialect, program: Sequence[str], options: HookOptions, name: str) -> str:
    """Return settings with our entries; the same text if they are there already.

    Raises:
        Invalid: If the settings are no JSON, or have something else where hooks are.
    """
    limits = {"prompt": QUICK, "tool": options.wait + QUICK, "stop": options.timeout + SPARE}
    wanted = commands(dialect, program, options)
    if text.strip() and found(text, dialect, name) == {moment: (line,) for moment, line in wanted.items()}:
        return text
    text = take_out(text, dialect, name) if text.strip() else text
    for moment, line in wanted.items():
        hook: dict[str, object] = {"type": "command", "command": line, "timeout": round(limits[moment] * dialect.unit)}
        if dialect.unit != 1:
            hook["name"] = f"aexl-pipeline-{moment}"
        text = append(text, ("hooks", dialect.events[moment]), {"hooks": [hook]}, name)
    return text


SPARE: Final = 30.0
"""Seconds that a CLI waits longer than the hook takes, so that it is the hook that says what happens then."""

QUICK: Final = 60.0
"""Seconds for what asks nobody: a look at the files when a turn begins, or whether a tool may run."""


def take_out(text: str, dialect: Dialect, name: str) -> str:
    """Return settings without our entries, and without what is empty then."""
    while True:
        place = _first(parse(text, name), dialect)
        if place is None:
            return text
        text = _remove_upwards(text, place)


def found(text: str, dialect: Dialect, name: str) -> Mapping[Moment, tuple[str, ...]]:
    """Return our lines of shell by moment; moments without any are left out."""
    root = parse(text, name) if text.strip() else None
    lines: dict[Moment, tuple[str, ...]] = {}
    for moment in dialect.events:
        places = [] if root is None else list(_ours(root, dialect, moment))
        if places:
            lines[moment] = tuple(_command(path[-1]) for path in places)
    return lines


def _first(root: Node, dialect: Dialect) -> list[Node] | None:
    return next((path for moment in dialect.events for path in _ours(root, dialect, moment)), None)


def _ours(root: Node, dialect: Dialect, moment: Moment) -> list[list[Node]]:
    """Return the ways from the top down to our hooks: all nodes, from the object to the entry."""
    hooks = root.member("hooks") if root.kind == "object" else None
    event = None if hooks is None or hooks.kind != "object" else hooks.member(dialect.events[moment])
    ways: list[list[Node]] = []
    if hooks is None or event is None or event.kind != "array":
        return ways
    for group in event.children:
        inner = group.member("hooks") if group.kind == "object" else None
        for hook in inner.children if inner is not None and inner.kind == "array" else ():
            if inner is not None and _OURS.search(_command(hook)):
                ways.append([root, hooks, event, group, inner, hook])
    return ways


def _command(hook: Node) -> str:
    member = hook.member("command") if hook.kind == "object" else None
    return member.value if member is not None and isinstance(member.value, str) else ""


def _remove_upwards(text: str, way: list[Node]) -> str:
    """Take out our entry, or the highest thing that would be empty without it."""
    _, hooks, event, _, inner, _ = way
    at = 5 if len(inner.children) > 1 else 3  # a group without hooks means nothing, whatever it matches
    if at == 3 and len(event.children) == 1:
        at = 1 if len(hooks.children) == 1 else 2
    return remove(text, way[at - 1], way[at])
