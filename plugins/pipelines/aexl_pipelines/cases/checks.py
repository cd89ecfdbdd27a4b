"""The tables of what a case expects. Pure.

Each table's ``build`` makes a list of checks of what was read; the table around it
says what they are about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, get_args

import msgspec

from aexl.api import format_usd
from aexl_pipelines.cases.kinds import BranchTaken, JsonField, JsonFields, WorkPath
from aexl_pipelines.cases.model import Check, Subject
from aexl_pipelines.journal.records import RunStatus, StepStatus
from aexl_pipelines.language.expressions.formatting import format_expression
from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.kinds import (
    INVALID,
    Anything,
    Choice,
    Duration,
    Either,
    Flag,
    ListOf,
    MapOf,
    Money,
    Number,
    Text,
)
from aexl_pipelines.language.problems import Place
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.source import Fields, Items, Scalar
from aexl_pipelines.language.texts import ExpressionText, PatternText
from aexl_pipelines.language.vocabulary.bodies import JsonSchema

RAN: Final = "ran"
FILE_STATES: Final = ("exists", "absent", "changed", "unchanged")
_SHOWN: Final = 80

TEXT_KEYS: Final = (
    Key("contains", ListOf(Text(), single=True, least=1), "It has this text in it, or each of these, whatever the case.", "aexl"),
    Key("not_contains", ListOf(Text(), single=True, least=1), "It has this text, or any of these, nowhere.", "aexl"),
    Key("starts_with", Text(), "It begins with this text, whatever the case.", "aexl"),
    Key("matches", ListOf(PatternText(), single=True, least=1), "It matches `/pattern/flags`, or each of these.", "aexl"),
    Key("not_matches", ListOf(PatternText(), single=True, least=1), "It matches it, or any of these, nowhere.", "aexl"),
    Key("equals", Anything(), "It is this value; a mapping or list is compared with it as JSON.", "aexl"),
    Key("is_empty", Flag(), "It is blank; `false`: it is not.", "aexl"),
    Key("json", JsonFields(), "It is JSON, and each of these fields has this value.", "aexl"),
    Key("schema", JsonSchema(), "It is JSON of this schema, given or by path.", "aexl"),
)  # fmt: skip

_LIMITS: Final = (
    Key("max_cost", Money(zero=True), "It cost at most this, in USD.", "aexl"),
    Key("max_duration", Duration(), "It took at most this.", "aexl"),
    Key("max_tokens", Number(0, whole=True), "Input and output tokens together are at most these.", "aexl"),
    Key("max_calls", Number(0, whole=True), "An agent was asked at most so often, further attempts counted.", "aexl"),
)


def _shown(value: object) -> str:
    match value:
        case str():
            text = value if value.isprintable() and value == value.strip() and value else json.dumps(value)
        case Pattern():
            text = str(value)
        case _:
            text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _made(values: Values, subject: Subject, skipped: Iterable[str] = ()) -> Iterator[Check]:
    """Yield a check for each value that was read; a list has one for each of its entries."""
    for key, node in values.node:
        found = values.any(key.text)
        if key.text in skipped or not _is_read(values, key.text):
            continue
        places = [item.place for item in node.items] if isinstance(node, Items) else []
        if isinstance(found, tuple) and key.text not in {"equals", "files_changed", "changed"}:
            for number, each in enumerate(found):
                yield _one(subject, key, each, places[number] if len(places) == len(found) else key.place)
        else:
            yield _one(subject, key, found, key.place)


def _one(subject: Subject, key: Scalar, wanted: object, place: Place) -> Check:
    shown = _shown(wanted)
    if isinstance(wanted, JsonField):
        place, shown = wanted.place, f"{wanted.path} = {_shown(wanted.value)}"
    elif key.text == "schema":
        shown = ""
    elif key.text == "max_cost" and isinstance(wanted, int):
        shown = f"${format_usd(wanted)}"
    elif key.text == "max_duration":
        shown = f"{wanted:g}s"
    elif key.text == "holds":
        shown = format_expression(wanted)  # type: ignore[arg-type]  # what its kind reads is an expression
    return Check(subject=subject, what=key.text, wanted=wanted, shown=shown, place=place)


def _is_read(values: Values, key: str) -> bool:
    return key in values.node.values and values.any(key) is not INVALID and key in _KNOWN


def named(checks: object, subject: Subject, name: str) -> Iterator[Check]:
    """Yield checks as what they are about: those of a text become those of this text."""
    for check in checks if isinstance(checks, tuple) else ():
        if isinstance(check, Check):
            about = subject if check.subject == "answer" else check.subject
            yield msgspec.structs.replace(check, subject=about, name=name)


def _word(subject: Subject, name: str, what: str, wanted: object, place: Place) -> Check:
    return Check(subject=subject, name=name, what=what, wanted=wanted, shown=_shown(wanted), place=place)


def _text_checks(values: Values) -> object:
    return tuple(_made(values, "answer"))


TEXT: Final = Record(
    title="text check",
    words="a mapping with contains, matches, equals, json or schema",
    text="What must be true of a text; all of it.",
    build=_text_checks,
    keys=list(TEXT_KEYS),
)


def _about_text(subject: Subject, values: Values, key: str) -> Iterator[Check]:
    """Yield the checks of a text that may be given as the text that must be in it."""
    found = values.any(key)
    if isinstance(found, str):
        yield _word(subject, "", "contains", found, values.node.keys[key].place)
    yield from named(found, subject, "")


def _step_checks(values: Values) -> object:
    return (*_made(values, "step", skipped=("prompt",)), *_about_text("asked of", values, "prompt"))


STEP: Final = Record(
    title="step check",
    words="a mapping of what must be true of a step",
    text="What must be true of a step, the last time that it ran; all of it. The texts are those of its answer, or of what it printed.",
    build=_step_checks,
    keys=[
        *TEXT_KEYS,
        Key("status", Choice(get_args(StepStatus)), "How it ended.", "aexl"),
        Key("ran", Flag(), "It was not skipped; `false`: it was, or its turn never came.", "aexl"),
        Key("runs", Number(0, whole=True), "How often it ran, within loops.", "aexl"),
        Key("exit_code", Number(-255, 255, whole=True), "Of its program.", "aexl"),
        Key("branch", BranchTaken(), "Which branch of its `on_result` was taken.", "aexl"),
        Key("asked", Flag(), "A person was asked something; `false`: nobody was.", "aexl"),
        Key("prompt", Either("a text, or a mapping of checks", Text(), TEXT), "What the agent was asked; a text must be in it.", "aexl"),
        Key("files_changed", ListOf(WorkPath(), single=True), "The paths that it changed: these and no other.", "aexl"),
        Key("cached", Flag(), "Its answer was there already.", "aexl"),
        *_LIMITS,
    ],
)  # fmt: skip


def _expectations(values: Values) -> object:
    """Return the checks of a whole run."""
    texts = {key.name for key in TEXT_KEYS}
    run = ("status", "exit_code", "changed", "holds", *(key.name for key in _LIMITS))
    checks = list(_made(values, "answer", skipped=set(EXPECT.table) - texts))
    checks += _made(values, "run", skipped=set(EXPECT.table) - set(run))
    checks += _about_text("message", values, "message")
    for name, found, place in _entries(values, "outputs"):
        is_value = not isinstance(found, tuple)
        checks += [_word("output", name, "equals", found, place)] if is_value else named(found, "output", name)
    for name, found, place in _entries(values, "steps"):
        if isinstance(found, str):
            what, wanted = (RAN, True) if found == RAN else ("status", found)
            checks.append(_word("step", name, what, wanted, place))
        checks += named(found, "step", name)
    for name, found, place in _entries(values, "files"):
        if isinstance(found, str):
            checks.append(Check(subject="file", name=name, what=found, wanted=True, shown="", place=place))
        checks += named(found, "file", name)
    return tuple(checks)


def _entries(values: Values, key: str) -> Iterator[tuple[str, object, Place]]:
    """Yield what a mapping of names has, and where each name stands."""
    node = values.node.values.get(key)
    found = values.any(key)
    for name, each in found.items() if isinstance(found, Mapping) else ():
        place = node.keys[name].place if isinstance(node, Fields) and name in node.keys else values.node.keys[key].place
        yield name, each, place


EXPECT: Final = Record(
    title="expect",
    words="a mapping of what must be true of the run",
    text="What must be true when the run has ended; all of it. The texts are those of the run's last answer. Where neither `status` nor `exit_code` is said, the run must be `completed`.",
    build=_expectations,
    keys=[
        *TEXT_KEYS,
        Key("status", Choice(get_args(RunStatus)), "How the run ended.", "aexl"),
        Key("exit_code", Number(0, 255, whole=True), "What `aexl pipeline run` would have ended with.", "aexl"),
        Key("message", Either("a text, or a mapping of checks", Text(), TEXT), "Why it ended so; a text must be in it.", "aexl"),
        Key(
            "outputs",
            MapOf(Either("a value, or a mapping of checks", Anything(), TEXT, Anything())),
            "The pipeline's outputs, by name: a value, or checks.",
            "aexl",
        ),
        Key(
            "steps",
            MapOf(Either("a status, ran, or a mapping of checks", Choice((*get_args(StepStatus), RAN)), STEP)),
            "Its steps, by id, by path (`loop::fix`), with a turn (`loop#2::fix`), or below a step that calls a pipeline (`call/review`): a status, `ran`, or checks.",
            "aexl",
        ),
        Key(
            "files",
            MapOf(Either("exists, absent, changed, unchanged, or a mapping of checks", Choice(FILE_STATES), TEXT), WorkPath()),
            "Files of the work folder, by path: `exists`, `absent`, `changed`, `unchanged`, or checks of the text.",
            "aexl",
        ),
        Key("changed", ListOf(WorkPath(), single=True), "The paths that the run changed: these and no other.", "aexl"),
        Key("holds", ListOf(ExpressionText(), single=True, least=1), "Expressions in the grammar of `if:`, as at the end of the pipeline: `step.review.json.score >= 3`.", "aexl"),
        *_LIMITS,
    ],
)  # fmt: skip

_KNOWN: Final = frozenset(EXPECT.table) | frozenset(STEP.table)

RECORDS: Final = (EXPECT, STEP, TEXT)
