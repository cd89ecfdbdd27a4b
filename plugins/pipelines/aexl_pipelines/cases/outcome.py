"""What came of a run, put together from what observers see. Pure.

Steps have names as cases use them: their addresses, those of called pipelines
behind the address of the step that called them and a slash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aexl.api.money import Usage
from aexl_pipelines.cases.loading import without_turns
from aexl_pipelines.execution.values import entry_of
from aexl_pipelines.journal.records import (
    BranchTaken,
    ChildBegun,
    GateOpened,
    Progress,
    Record,
    RunBegun,
    RunEnded,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.language.model import Pipeline, Step

AGENT_STEPS: Final = frozenset({"prompt", "skill"})
"""Kinds of steps that ask an agent."""


@dataclass
class StepSeen:
    """One instance of a step."""

    name: str
    begun: StepBegun | None = None
    ended: StepEnded | None = None
    branch: BranchTaken | None = None
    gates: list[GateOpened] = field(default_factory=list)

    @property
    def ran(self) -> bool:
        """It was not skipped."""
        return self.ended is not None and self.ended.status != "skipped"

    @property
    def calls(self) -> int:
        """How often an agent was asked."""
        ended = self.ended
        asked = ended is not None and ended.kind in AGENT_STEPS and not ended.cached and ended.status != "skipped"
        return ended.attempts if asked and ended is not None else 0

    @property
    def text(self) -> str | None:
        """What it answered, or printed; ``None`` where it never did."""
        ended = self.ended
        if ended is None or ended.status == "skipped":
            return None
        if ended.response is not None:
            return ended.response
        streams = [stream for stream in (ended.stdout, ended.stderr) if stream]
        return "\n".join(streams) if ended.stdout is not None or ended.stderr is not None else None

    @property
    def prompt(self) -> str | None:
        """What the agent was asked."""
        if self.ended is not None and self.ended.prompt is not None:
            return self.ended.prompt
        return self.begun.text if self.begun is not None else None


class Watcher:
    """An ``Observer`` that keeps what checks ask about; as much as a run's journal has."""

    def __init__(self) -> None:
        self.begun: RunBegun | None = None
        self.ended: RunEnded | None = None
        self.steps: dict[str, StepSeen] = {}
        self._prefixes: dict[str, str] = {}

    def see(self, run: str, seen: Record | Progress) -> None:
        """Take in what happened. Does not wait."""
        if isinstance(seen, RunBegun) and self.begun is None:
            self.begun, self._prefixes[run] = seen, ""
        prefix = self._prefixes.get(run)
        if prefix is None:
            return
        match seen:
            case RunEnded() if prefix == "":
                self.ended = seen
            case ChildBegun():
                self._prefixes[seen.run] = f"{prefix}{seen.step}/"
            case StepBegun():
                self._step(prefix + seen.step).begun = seen
            case StepEnded():
                self._step(prefix + seen.step).ended = seen
            case BranchTaken():
                self._step(prefix + seen.step).branch = seen
            case GateOpened():
                self._step(prefix + seen.step).gates.append(seen)
            case _:
                pass

    @property
    def children(self) -> list[str]:
        """The runs below the run."""
        return [run for run, prefix in self._prefixes.items() if prefix]

    def name_of(self, run: str, step: str) -> str:
        """Return what cases call a step of a run."""
        return self._prefixes.get(run, "") + step

    def _step(self, name: str) -> StepSeen:
        found = self.steps.get(name)
        if found is None:
            found = self.steps[name] = StepSeen(name)
        return found


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that has ended, with the files that it left.

    Attributes:
        files: What is in the work folder, by path; ``None`` for what is no text or too long to look at.
        changed: Paths that the run has added, changed or removed.
        names: The pipeline's own names of its steps.
    """

    ended: RunEnded
    steps: Mapping[str, StepSeen]
    files: Mapping[str, str | None] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    names: Mapping[str, Step | None] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)

    def instances(self, name: str) -> list[StepSeen]:
        """Return the instances of a step, in the order in which they began; one for a name that has a turn in it."""
        if name in self.steps:
            exact = self.steps[name]
            if "#" in name:
                return [exact]
        step = self.names.get(name)
        wanted = {name, step.path if step is not None else name}
        return [each for each in self.steps.values() if each.name == name or without_turns_below(each.name) in wanted]

    @property
    def calls(self) -> int:
        """How often agents were asked, in called pipelines too."""
        return sum(each.calls for each in self.steps.values())

    @property
    def cost(self) -> int | None:
        """Nano-dollars: booked where the run was governed."""
        return self.ended.booked if self.ended.booked is not None else self.ended.cost

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return tokens_of(self.ended.usage)


def tokens_of(usage: Usage | None) -> int:
    """Return input and output tokens together; cached ones are among the input."""
    return 0 if usage is None else usage.input_tokens + usage.output_tokens


def without_turns_below(name: str) -> str:
    """Return a name without the turns of loops, in each pipeline that it leads through."""
    return "/".join(without_turns(part) for part in name.split("/"))


def values_at_end(
    pipeline: Pipeline, names: Mapping[str, Step | None], watcher: Watcher, environ: Mapping[str, str]
) -> dict[str, object]:
    """Return what names stand for when a run has ended, as its outputs see them; without secrets."""
    begun, ended = watcher.begun, watcher.ended
    values: dict[str, object] = {
        "step": dict(_entries(names, watcher)),
        "inputs": {name: wanted.default for name, wanted in pipeline.inputs.items()},
        "env": dict(environ),
        "secrets": {},
        "code_changed": bool(ended is not None and ended.changed),
    }
    if begun is not None:
        values["inputs"] = dict(begun.inputs)
        values["pipeline"] = {"run_id": begun.run}
        values["session"] = {"cwd": begun.project}
    if ended is not None:
        values["last_response"] = ended.response
    return values


def _entries(names: Mapping[str, Step | None], watcher: Watcher) -> Iterator[tuple[str, Mapping[str, object]]]:
    by_path = {without_turns(each.name): each for each in watcher.steps.values() if "/" not in each.name}
    for path, seen in by_path.items():
        if seen.ended is not None:
            yield path, entry_of(seen.ended)
    for name, step in names.items():
        seen_here = by_path.get(step.path) if step is not None else None
        if seen_here is not None and seen_here.ended is not None:
            yield name, entry_of(seen_here.ended)
    if "invocation" not in by_path and watcher.begun is not None:
        yield "invocation", {"prompt": watcher.begun.prompt, "status": "completed"}
