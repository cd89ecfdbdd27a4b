"""What a changed pipeline takes away of what guards the old one, in sentences. Pure.

Guards are: steps with ``required: true``, gates, branches that stop a run, budgets,
secrets, what agents may use, where model calls go. Everything that is said here is
of the resolved pipelines, so that a guard that came from a base counts too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aexl_pipelines.language.exporting import as_data
from aexl_pipelines.language.model import ActionBody, Branch, Defaults, Pipeline, Step, children_of
from aexl_pipelines.language.parts import Budget, Part, Tools

GATES: Final = frozenset({"pause_for_human", "preview_for_human", "modify_output"})
_STOPS: Final = frozenset({*GATES, "abort_pipeline"})
_SECRET: Final = re.compile(r"\bsecrets\.([A-Za-z_][\w-]*)")

Steps = Mapping[str, Step]


def find_weakened(old: Pipeline, new: Pipeline) -> tuple[str, ...]:
    """Return what is taken away, each as a sentence that a person reads before anything else."""
    steps = dict(_steps(old)), dict(_steps(new))
    return tuple(
        dict.fromkeys(
            [
                *_required(*steps),
                *_gates(*steps),
                *_bypassed(*steps),
                *_branches(*steps),
                *_budgets(old, new, *steps),
                *_secrets(old, new, *steps),
                *_tools(old, new, *steps),
                *_providers(old, new),
            ]
        )
    )


def _steps(pipeline: Pipeline) -> Iterator[tuple[str, Step]]:
    """Yield every step by a name that is the same in both pipelines."""
    for name, listed in (("", pipeline.steps), *pipeline.pipelines.items()):
        pending = list(listed)
        while pending:
            step = pending.pop(0)
            yield (f"{name}/{step.path}" if name else step.path), step
            for inner in children_of(step):
                pending += inner


def _plain(value: object) -> object:
    """Return a part of a pipeline as plain values, without where it stands in the file."""
    data = as_data(value)
    pending: list[object] = [data]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            each.pop("place", None)
            pending += each.values()
        elif isinstance(each, list):
            pending += each
    return data


def _differing(old: Step, new: Step) -> list[str]:
    before, after = _plain(old), _plain(new)
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _required(old: Steps, new: Steps) -> Iterator[str]:
    for name, step in old.items():
        if not step.required:
            continue
        if name not in new:
            yield f"It removes the required step {name!r}."
        elif not new[name].required:
            yield f"The step {name!r} is no longer required."
        elif new[name].disabled and not step.disabled:
            yield f"It disables the required step {name!r}."
        elif fields := _differing(step, new[name]):
            yield f"It changes the required step {name!r}: {', '.join(fields)}."


def _gates(old: Steps, new: Steps) -> Iterator[str]:
    for name, step in old.items():
        if not isinstance(step.body, ActionBody) or step.body.action not in GATES:
            continue
        changed = new.get(name)
        if changed is None:
            yield f"It removes the gate {name!r} ({step.body.action})."
        elif not isinstance(changed.body, ActionBody) or changed.body.action != step.body.action:
            yield f"The gate {name!r} ({step.body.action}) becomes something else."
        elif changed.disabled and not step.disabled:
            yield f"It disables the gate {name!r}."
        elif fields := _differing(step, changed):
            yield f"It changes the gate {name!r}: {', '.join(fields)}."


def _bypassed(old: Steps, new: Steps) -> Iterator[str]:
    """Say which guards stay as they are, and yet come later or less often."""
    places = [{name: number for number, name in enumerate(steps)} for steps in (old, new)]
    guards = [name for name, step in old.items() if _is_guard(step) and name in new]
    for guard in guards:
        passed = [
            name
            for name in old
            if name in new and places[0][guard] < places[0][name] and places[1][guard] > places[1][name]
        ]
        if passed:
            yield f"The guard {guard!r} now comes after {', '.join(repr(name) for name in passed[:5])}."
        for parent in _parents(guard):
            if parent in old and parent in new and _when(old[parent]) != _when(new[parent]):
                yield f"The step {parent!r}, in which the guard {guard!r} is, now runs under another condition."
    if guards:
        for name, step in new.items():
            known = old[name].on_result if name in old else ()
            if any(each.action == "break" and not _has(known, each) for each in step.on_result):
                yield f"A new branch of the step {name!r} leads to break, which skips what comes after it."


def _is_guard(step: Step) -> bool:
    return step.required or (isinstance(step.body, ActionBody) and step.body.action in GATES)


def _parents(name: str) -> list[str]:
    parts = name.split("::")
    return ["::".join(parts[:length]) for length in range(1, len(parts))]


def _when(step: Step) -> object:
    return step.disabled, _plain(step.condition), _plain(step.if_)


def _branches(old: Steps, new: Steps) -> Iterator[str]:
    """Say which branches of ``on_result`` and which ways to end at errors do not stop a run any more."""
    for name, step in old.items():
        changed = new.get(name)
        for branch in step.on_result:
            if branch.action in _STOPS and (changed is None or not _has(changed.on_result, branch)):
                yield f"A branch of the step {name!r} no longer leads to {branch.action}."
        if changed is not None:
            yield from _endings(f"the step {name!r}", step, changed)


def _endings(whose: str, old: Step | Defaults, new: Step | Defaults) -> Iterator[str]:
    for field in ("on_error", "on_timeout", "on_headless"):
        before, after = getattr(old, field, None), getattr(new, field, None)
        if before in {"abort_pipeline", "pause_for_human", "fail_fast", "abort"} and before != after:
            yield f"For {whose} it no longer says {field}: {before}."


def _has(branches: Sequence[Branch], branch: Branch) -> bool:
    return any(_plain(each) == _plain(branch) for each in branches)


def _budgets(old: Pipeline, new: Pipeline, before: Steps, after: Steps) -> Iterator[str]:
    yield from _raised("the run", old.budget, new.budget)
    yield from _raised("every step", old.defaults.budget, new.defaults.budget)
    for name, step in before.items():
        if name in after:
            yield from _raised(f"the step {name!r}", step.budget, after[name].budget)
            yield from _loosened(f"the step {name!r}", step, after[name])
    yield from _loosened("every step", old.defaults, new.defaults)
    yield from _endings("every step", old.defaults, new.defaults)


def _raised(whose: str, old: Budget | None, new: Budget | None) -> Iterator[str]:
    for field, unit in (("usd", 1e9), ("tokens", 1), ("turns", 1), ("time", 1)):
        limit = getattr(old, field, None)
        other = getattr(new, field, None)
        if limit is not None and (other is None or other > limit):
            shown = "no limit" if other is None else f"{other / unit:g}"
            yield f"The budget of {whose} is raised: {field} from {limit / unit:g} to {shown}."


def _loosened(whose: str, old: Step | Defaults, new: Step | Defaults) -> Iterator[str]:
    if old.timeout is not None and (new.timeout is None or new.timeout > old.timeout):
        yield f"The timeout of {whose} is raised from {old.timeout:g} seconds."


def _secrets(old: Pipeline, new: Pipeline, before: Steps, after: Steps) -> Iterator[str]:
    for name, secret in old.secrets.items():
        if name not in new.secrets:
            yield f"The secret {name!r} is no longer declared, and so no longer masked."
        elif new.secrets[name] != secret:
            yield f"The secret {name!r} comes from elsewhere."
    for name, wanted in old.inputs.items():
        if wanted.secret and (name not in new.inputs or not new.inputs[name].secret):
            yield f"The input {name!r} is no longer a secret, and so no longer masked."
    for name in sorted(new.secrets.keys() - old.secrets.keys()):
        yield f"It declares the secret {name!r}."
    for name, step in after.items():
        known = _named_secrets(before[name]) if name in before else set()
        for secret_name in sorted(_named_secrets(step) - known):
            yield f"The step {name!r} now uses the secret {secret_name!r}."


def _named_secrets(step: Step) -> set[str]:
    return set(_SECRET.findall(str(_plain(step))))


def _tools(old: Pipeline, new: Pipeline, before: Steps, after: Steps) -> Iterator[str]:
    yield from _widened("every step", old.defaults.tools, new.defaults.tools)
    for name, step in before.items():
        if name in after:
            yield from _widened(f"the step {name!r}", step.tools, after[name].tools)


def _widened(whose: str, old: Tools | None, new: Tools | None) -> Iterator[str]:
    if old is None or new == old:
        return
    other = new or Tools()
    if old.disabled and not other.disabled:
        yield f"The agents of {whose} may use tools again."
    lost = [each for each in old.deny if each not in other.deny]
    more = [each for each in other.allow if each not in old.allow]
    if lost:
        yield f"The agents of {whose} are no longer denied {', '.join(lost)}."
    if more:
        yield f"The agents of {whose} are also allowed {', '.join(more)}."
    if old.allow and not other.allow and not other.disabled:
        yield f"The agents of {whose} are no longer limited to {', '.join(old.allow)}."


def _providers(old: Pipeline, new: Pipeline) -> Iterator[str]:
    for name, provider in new.providers.items():
        if _plain_part(old.providers.get(name)) != _plain_part(provider):
            yield f"Model calls of the provider {name!r} go elsewhere, or with another token."
    for whose, before, after in (("every step", old.defaults.provider, new.defaults.provider),):
        if after is not None and _plain_part(before) != _plain_part(after):
            yield f"Model calls of {whose} go elsewhere, or with another token."


def _plain_part(part: Part | None) -> object:
    return None if part is None else _plain(part)
