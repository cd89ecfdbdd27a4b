"""Which step waits for which: the order in which a list of steps runs. Pure.

Steps run one after the other. An ``async`` step begins when the steps before it
that are not async have ended, and when all that it depends on has ended; nobody
waits for it but those that depend on it, and the end of the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aexl_pipelines.language.model import ActionBody, Step
from aexl_pipelines.language.problems import Report, suggest


def waits(steps: Sequence[Step]) -> Mapping[str, tuple[str, ...]]:
    """Return, for every step of a list, the steps that must have ended before it begins."""
    found: dict[str, tuple[str, ...]] = {}
    previous: str | None = None
    for step in steps:
        before = [] if previous is None else [previous]
        found[step.id] = tuple(dict.fromkeys([*before, *step.depends_on]))
        if not step.async_:
            previous = step.id
    return found


def settled(steps: Sequence[Step]) -> Mapping[str, frozenset[str]]:
    """Return, for every step of a list, the ids that have surely ended when it begins."""
    found: dict[str, frozenset[str]] = {}
    for name, awaited in waits(steps).items():
        ended: frozenset[str] = frozenset(awaited)
        found[name] = ended.union(*(found.get(each, frozenset()) for each in awaited)) - {name}
    return found


def check_order(steps: Sequence[Step], report: Report) -> None:
    """Report branches that nobody waits for, and waiting that cannot end."""
    places = {step.id: number for number, step in enumerate(steps)}
    by_id = {step.id: step for step in steps}
    awaited = {name for step in steps for name in step.depends_on}
    for number, step in enumerate(steps):
        if step.async_ and step.id not in awaited:
            report.problem(
                step.place,
                f"nothing waits for the async step {step.id!r}",
                f"add 'depends_on: [{step.id}]' to a later step",
            )
        for name in step.depends_on:
            if name == step.id:
                report.problem(step.place, f"the step {name!r} depends on itself", "remove it from 'depends_on'")
            elif name not in places:
                report.problem(step.place, f"there is no step {name[:60]!r} to depend on", suggest(name, places))
            elif places[name] > number:
                report.problem(
                    step.place,
                    f"the step {step.id!r} depends on {name!r}, which comes later",
                    "move it before this one",
                )
        structured = isinstance(step.body, ActionBody) and step.body.action == "join" and step.output_schema is not None
        for name in step.depends_on if structured else ():
            if name in by_id and by_id[name].output_schema is None:
                report.problem(
                    step.place,
                    f"the join has an output_schema, and {name!r} has none",
                    "add one there, or leave it out here",
                )
    resuming = [step for step in steps if step.async_ and step.resume is not None and not step.resume.fork]
    for step in resuming[1:]:
        report.problem(
            step.place,
            f"the async step {step.id!r} resumes a session that {resuming[0].id!r} may be in",
            "write resume: {fork: true}",
        )
