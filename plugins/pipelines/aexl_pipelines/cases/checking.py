"""Holding a run to what a case expects. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from aexl.api import format_usd
from aexl.errors import Invalid
from aexl_pipelines.cases.checks import RAN
from aexl_pipelines.cases.kinds import NO_BRANCH, JsonField
from aexl_pipelines.cases.model import Check
from aexl_pipelines.cases.outcome import Outcome, StepSeen, tokens_of
from aexl_pipelines.journal.records import RunEnded, StepEnded
from aexl_pipelines.language.answers import decode_answer
from aexl_pipelines.language.expressions.errors import NotComparable, Unresolved
from aexl_pipelines.language.expressions.evaluating import as_text, holds, is_equal
from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.expressions.references import look_up_in
from aexl_pipelines.language.problems import Place
from aexl_pipelines.language.schemas import check_answer

SHOWN: Final = 400
"""Characters of a text that a failure shows."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A check that did not hold.

    Attributes:
        check: It in words.
        found: What was there instead.
        place: Where the check stands.
    """

    check: str
    found: str
    place: Place


def failures_of(checks: Sequence[Check], outcome: Outcome, default: Place) -> list[Failure]:
    """Return what does not hold; a run of which nothing else is said must have completed.

    Args:
        default: Where the case stands.
    """
    found = []
    if not any(check.subject == "run" and check.what in {"status", "exit_code"} for check in checks):
        ended = outcome.ended
        if ended.status != "completed":
            found.append(Failure(check="run: status completed", found=_why(ended), place=default))
    for check in checks:
        fault = fault_of(check, outcome)
        if fault is not None:
            found.append(Failure(check=check.title, found=fault, place=check.place))
    return found


def fault_of(check: Check, outcome: Outcome) -> str | None:
    """Return what is there instead of what a check expects; ``None`` where it holds."""
    match check.subject:
        case "run":
            return _run(check, outcome)
        case "answer":
            return text_fault(check, outcome.ended.response)
        case "message":
            return text_fault(check, outcome.ended.message)
        case "output":
            if check.name not in outcome.ended.outputs:
                return "the run has no such output"
            return text_fault(check, outcome.ended.outputs[check.name])
        case "file":
            return _file(check, outcome)
        case "step" | "asked of":
            return _step(check, outcome.instances(check.name))


def _why(ended: RunEnded) -> str:
    step = f" at {ended.step}" if ended.step else ""
    return f"{ended.status}{step}" + (f": {clipped(ended.message)}" if ended.message else "")


def _run(check: Check, outcome: Outcome) -> str | None:
    ended, wanted = outcome.ended, check.wanted
    match check.what:
        case "status":
            return None if ended.status == wanted else _why(ended)
        case "exit_code":
            return None if ended.exit_code == wanted else f"{ended.exit_code} ({_why(ended)})"
        case "changed":
            return paths_fault(wanted, outcome.changed)
        case "holds":
            return _expression(wanted, outcome.values)
        case _:
            return _limit(check, outcome.cost, ended.duration, outcome.tokens, outcome.calls)


def _expression(expression: object, values: Mapping[str, object]) -> str | None:
    try:
        return None if holds(expression, values) else "it does not"  # type: ignore[arg-type]  # what its kind reads
    except (Unresolved, NotComparable) as error:
        return str(error)


def _limit(check: Check, cost: int | None, duration: float, tokens: int, calls: int) -> str | None:
    wanted = check.wanted
    assert isinstance(wanted, int | float)
    match check.what:
        case "max_cost":
            return None if (cost or 0) <= wanted else f"${format_usd(cost or 0)}"
        case "max_duration":
            return None if duration <= wanted else f"{duration:.1f}s"
        case "max_tokens":
            return None if tokens <= wanted else f"{tokens} tokens"
        case _:
            return None if calls <= wanted else f"{calls} calls"


def _file(check: Check, outcome: Outcome) -> str | None:
    name = check.name
    there, changed = name in outcome.files, name in outcome.changed
    match check.what:
        case "exists":
            return None if there else "there is no such file"
        case "absent":
            return "it is there" if there else None
        case "changed":
            return None if changed else "it is as it was"
        case "unchanged":
            return None if not changed else "it has changed" if there else "it is gone"
        case _:
            return _file_text(check, outcome, there=there)


def _file_text(check: Check, outcome: Outcome, *, there: bool) -> str | None:
    if not there:
        return "there is no such file"
    text = outcome.files[check.name]
    return "it is no text, or too long to look at" if text is None else text_fault(check, text)


def _step(check: Check, seen: Sequence[StepSeen]) -> str | None:
    wanted = check.wanted
    if check.what == "runs":
        count = sum(1 for each in seen if each.ran)
        return None if count == wanted else "it ran once" if count == 1 else f"it ran {count} times"
    if check.what == RAN:
        ran = any(each.ran for each in seen)
        return None if ran is wanted else "it ran" if ran else _unseen(seen)
    if check.what == "asked":
        asked = any(each.gates for each in seen)
        return None if asked is wanted else "nobody was asked" if wanted else "somebody was asked"
    ended = [each for each in seen if each.ended is not None]
    last = next((each for each in reversed(ended) if each.ran), ended[-1] if ended else None)
    if last is None or last.ended is None:
        return _unseen(seen)
    if check.subject == "asked of":
        return text_fault(check, last.prompt)
    return _instance(check, last, last.ended)


def _unseen(seen: Sequence[StepSeen]) -> str:
    if any(each.ended is not None for each in seen):
        return "it was skipped"
    return "it did not end" if seen else "its turn never came"


def _instance(check: Check, seen: StepSeen, ended: StepEnded) -> str | None:
    wanted = check.wanted
    match check.what:
        case "status":
            why = f": {clipped(ended.error.message)}" if ended.error is not None else ""
            return None if ended.status == wanted else f"{ended.status}{why}"
        case "exit_code":
            return None if ended.exit_code == wanted else f"{ended.exit_code}"
        case "branch":
            return _branch(wanted, seen)
        case "files_changed":
            return paths_fault(wanted, ended.changed)
        case "cached":
            return None if ended.cached is wanted else "it was" if ended.cached else "it was not"
        case "max_cost" | "max_duration" | "max_tokens" | "max_calls":
            cost = ended.booked if ended.booked is not None else ended.cost
            return _limit(check, cost, ended.duration, tokens_of(ended.usage), seen.calls)
        case _:
            return text_fault(check, seen.text)


def _branch(wanted: object, seen: StepSeen) -> str | None:
    taken = seen.branch
    if taken is None:
        return None if wanted == NO_BRANCH else "none was taken"
    action = taken.action.partition(":")[0].strip()
    if wanted in {taken.number, action}:
        return None
    return f"branch {taken.number} ({taken.action})" + (f", because {clipped(taken.why)}" if taken.why else "")


def paths_fault(wanted: object, found: Iterable[str]) -> str | None:
    """Return what differs between two sets of paths."""
    expected = set(wanted) if isinstance(wanted, tuple | list) else set()
    there = set(found)
    parts = [f"not {path}" for path in sorted(expected - there)] + [f"also {path}" for path in sorted(there - expected)]
    return clipped(", ".join(parts)) if parts else None


def text_fault(check: Check, value: object) -> str | None:
    """Hold a text, or a JSON value, to one check of a text."""
    if value is None:
        return "there is none"
    text, wanted = as_text(value), check.wanted
    if _text_holds(check.what, text, wanted):
        return None
    match check.what:
        case "equals":
            return None if _equals(value, wanted) else clipped(text)
        case "json":
            assert isinstance(wanted, JsonField)
            return _field(text, wanted)
        case "schema":
            return _schema(text, wanted)
        case _:
            return clipped(text)


def _text_holds(what: str, text: str, wanted: object) -> bool:
    match what:
        case "contains":
            return str(wanted).casefold() in text.casefold()
        case "not_contains":
            return str(wanted).casefold() not in text.casefold()
        case "starts_with":
            return text.strip().casefold().startswith(str(wanted).strip().casefold())
        case "matches":
            return isinstance(wanted, Pattern) and wanted.found_in(text)
        case "not_matches":
            return isinstance(wanted, Pattern) and not wanted.found_in(text)
        case "is_empty":
            return (not text.strip()) is wanted
        case _:
            return False


def _equals(value: object, wanted: object) -> bool:
    if is_equal(value, wanted) or (isinstance(value, str) and value == wanted):
        return True
    if isinstance(value, str) and isinstance(wanted, dict | list | bool):
        decoded, fault = _decoded(value)
        return fault is None and decoded == wanted and type(decoded) is type(wanted)
    return False


def _decoded(text: str) -> tuple[object, str | None]:
    try:
        return decode_answer(text), None
    except (ValueError, RecursionError) as error:
        return None, f"no JSON ({error}): {clipped(text)}"


def _field(text: str, wanted: JsonField) -> str | None:
    decoded, fault = _decoded(text)
    if fault is not None:
        return fault
    there, value = look_up_in(decoded, wanted.parts)
    if not there:
        return f"there is no such field in {clipped(text)}"
    same = value == wanted.value and isinstance(value, bool) is isinstance(wanted.value, bool)
    return None if same else clipped(json.dumps(value, ensure_ascii=False))


def _schema(text: str, schema: object) -> str | None:
    try:
        check_answer(schema, text)
    except Invalid as error:
        return clipped(str(error))
    return None


def clipped(text: str, most: int = SHOWN) -> str:
    """Return a text that is not too long to be shown; an empty one says so."""
    if not text:
        return "an empty text"
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
