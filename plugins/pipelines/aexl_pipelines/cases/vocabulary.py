"""The tables of case files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from aexl.api.runners import ErrorKind
from aexl_pipelines.cases import checks
from aexl_pipelines.cases.kinds import OwnFolder, PipelineName, WholeText, WorkPath
from aexl_pipelines.cases.model import (
    DECLARED,
    Answer,
    Case,
    CaseFile,
    Check,
    GateAnswer,
    InputValue,
    Matrix,
    Setup,
)
from aexl_pipelines.journal.records import Choice as GateChoice
from aexl_pipelines.language.kinds import (
    Anything,
    Choice,
    Duration,
    Either,
    Identifier,
    ListOf,
    Made,
    MapOf,
    Money,
    Name,
    Number,
    Schema,
    Text,
)
from aexl_pipelines.language.problems import Place
from aexl_pipelines.language.reader import Reader
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.source import AnyNode, Fields, Scalar

MOST_CASES: Final = 2_000
ANY_STEP: Final = "*"


@dataclass(frozen=True)
class _FileText:
    """What a file has: a text, the path of a file that has it, or nothing, which removes it."""

    words: str = "a text, or null to remove it"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and node.value is None and not node.style:
            return None
        return WholeText().read(node, name, reader)

    def schema(self) -> Schema:
        return {"anyOf": [Text(blank=True).schema(), {"type": "null"}]}


def _build_answer(values: Values) -> object:
    if "text" in values and "json" in values:
        values.problem("json", "an answer has 'text' or 'json', not both")
    if "message" in values and "error" not in values:
        values.problem("message", "'message' goes with 'error'", "add error: other")
    text = values.get("text", str)
    if "json" in values:
        text = msgspec.json.encode(values.any("json")).decode()
    error: Any = values.get("error", str)
    files = values.any("files")
    return Answer(
        text=text,
        files=files if isinstance(files, dict) else {},
        error=error,
        message=values.get("message", str, "the case says so"),
        input_tokens=values.get("input_tokens", int, 0),
        output_tokens=values.get("output_tokens", int, 0),
        cost=values.get("cost", int),
        seconds=values.get("seconds", float, 0.0),
    )


ANSWER: Final = Record(
    title="answer",
    words="a text, or a mapping with text, json, files or error",
    text="What the runner `stub` says and does; a text by itself is its `text`.",
    build=_build_answer,
    keys=[
        Key("text", WholeText(), "What it says; a path gives what a file has.", "aexl"),
        Key("json", Anything(), "What it says, as JSON.", "aexl"),
        Key("files", MapOf(_FileText(), WorkPath()), "Files that it writes, by path; `null` removes one.", "aexl"),
        Key("error", Choice(get_args(ErrorKind)), "Why it fails instead.", "aexl"),
        Key("message", Text(), "What it says of that.", "aexl"),
        Key("input_tokens", Number(0, whole=True), "Tokens that it claims to have read.", "aexl"),
        Key("output_tokens", Number(0, whole=True), "Tokens that it claims to have written.", "aexl"),
        Key("cost", Money(zero=True), "What it claims to have cost, in USD.", "aexl"),
        Key("seconds", Duration(zero=True), "How long it takes.", "aexl"),
    ],
)


def _build_gate(values: Values) -> object:
    edited = values.get("edit", str)
    choice: Any = values.get("choice", str, "approve" if edited is None else "edit")
    if (choice == "edit") != (edited is not None):
        values.reader.problem(values.node, "an edit needs the text: 'edit'", "write edit: and the text")
    return GateAnswer(choice=choice, text=edited, reason=values.get("reason", str, ""))


GATE: Final = Record(
    title="gate",
    words="approve, reject, or a mapping with choice, edit or reason",
    text="What a person answers; a word by itself is its `choice`.",
    build=_build_gate,
    keys=[
        Key("choice", Choice(get_args(GateChoice)), "`approve` by default; `edit` where there is a text.", "aexl"),
        Key("edit", WholeText(), "What the person makes of the text that is shown.", "aexl"),
        Key("reason", Text(), "What the person says to it.", "aexl"),
    ],
)


def _build_matrix(values: Values) -> object:
    return Matrix(runners=values.all("runner", str), models=values.all("model", str))


MATRIX: Final = Record(
    title="matrix",
    words="a mapping with runner or model",
    text="A case runs once with each combination.",
    build=_build_matrix,
    keys=[
        Key("runner", ListOf(Name(), least=1), "Runners; `declared` are those that the pipeline names.", "aexl"),
        Key("model", ListOf(Text(), least=1), "Models.", "aexl"),
    ],
    extra={"minProperties": 1},
)

_ONE_ANSWER: Final = Either("a text, or a mapping", Made(WholeText(), lambda text: Answer(text=text)), ANSWER)
_ONE_GATE: Final = Either(
    "approve, reject, or a mapping", Made(Choice(("approve", "reject")), lambda word: GateAnswer(choice=word)), GATE
)

SETUP_KEYS: Final = (
    Key("pipeline", PipelineName(), "What is tried: a path relative to this file, or a name. By default the file that stands beside: `review.yaml` for `review.cases.yaml`.", "aexl"),
    Key("prompt", WholeText(), "The prompt of the run: a text, or the path of a file.", "aexl"),
    Key("inputs", MapOf(Anything(), Identifier()), "Values of the pipeline's inputs.", "aexl"),
    Key("folder", OwnFolder(), "A folder whose files the work folder begins with; it is copied, and never changed.", "aexl"),
    Key("files", MapOf(WholeText(), WorkPath()), "Files of the work folder, by path: a text, or the path of a file.", "aexl"),
    Key("runner", Name(), "Who answers every step: `stub` by default; `declared` are those that the pipeline names.", "aexl"),
    Key("model", Text(), "The model of every step, as `--model`.", "aexl"),
    Key("matrix", MATRIX, "Runners and models that the case is tried with.", "aexl"),
    Key("tape", OwnFolder(there=False), "A folder of recordings, which answer instead of the runner; `--record` asks the runner, and makes them.", "aexl"),
    Key("answers", MapOf(Either("an answer, or a list of them", _ONE_ANSWER, ANSWER, ListOf(_ONE_ANSWER, least=1))), "What the stub says, by step, or `*` for any: one answer, or one for each time; the last one holds on.", "aexl"),
    Key("gates", MapOf(Either("an answer, or a list of them", _ONE_GATE, GATE, ListOf(_ONE_GATE, least=1))), "What a person answers, by step, or `*` for any; likewise. A gate that is not here fails the run.", "aexl"),
    Key("env", MapOf(Text(blank=True), Identifier()), "Variables, over those of this machine.", "aexl"),
    Key("timeout", Duration(), "The longest that the run may take; 5 minutes by default.", "aexl"),
    Key("budget", Money(), "The most that the run may cost, in USD.", "aexl"),
    Key("expect", checks.EXPECT, "What must be true when the run has ended.", "aexl"),
)  # fmt: skip


def _build_setup(values: Values) -> Setup:
    found = values.any("expect")
    return Setup(
        pipeline=values.get("pipeline", str),
        prompt=values.get("prompt", str),
        inputs=_inputs(values),
        folder=values.get("folder", Path),
        files=values.map("files", str),
        runner=values.get("runner", str),
        model=values.get("model", str),
        matrix=values.get("matrix", Matrix),
        tape=values.get("tape", Path),
        answers=_listed(values, "answers", Answer),
        gates=_listed(values, "gates", GateAnswer),
        env=values.map("env", str),
        timeout=values.get("timeout", float),
        budget=values.get("budget", int),
        checks=tuple(each for each in found if isinstance(each, Check)) if isinstance(found, tuple) else (),
        places=_places(values),
    )


def _listed(values: Values, key: str, kind: type[Any]) -> dict[str, tuple[Any, ...]]:
    found = values.any(key)
    each = {name: value if isinstance(value, tuple) else (value,) for name, value in _items(found)}
    return {name: tuple(one for one in several if isinstance(one, kind)) for name, several in each.items()}


def _items(found: object) -> list[tuple[str, object]]:
    return list(found.items()) if isinstance(found, dict) else []


def _inputs(values: Values) -> dict[str, InputValue]:
    node = values.node.values.get("inputs")
    keys: Mapping[str, Scalar] = node.keys if isinstance(node, Fields) else {}
    found = _items(values.any("inputs"))
    return {name: InputValue(value=value, place=keys[name].place) for name, value in found if name in keys}


def _places(values: Values) -> dict[str, Place]:
    """Return where keys, and the names of steps below two of them, stand: ``answers review`` for one of those."""
    found = {key.text: key.place for key, _ in values.node}
    for key in ("answers", "gates"):
        node = values.node.values.get(key)
        if isinstance(node, Fields):
            found.update({f"{key} {name.text.strip()}": name.place for name, _ in node})
    return found


def _build_case(values: Values) -> Case:
    return Case(
        name=values.get("name", str, ""),
        description=values.get("description", str, ""),
        place=values.node.place,
        setup=_build_setup(values),
        skip=values.get("skip", str, ""),
    )


CASE: Final = Record(
    title="case",
    words="a mapping that is a case",
    text="One run in a scratch folder, and what must be true of it.",
    build=_build_case,
    open=("x-", "meta"),
    keys=[
        Key("name", Name(), "Its name, of which there is one in a file.", "aexl", required=True),
        Key("description", Text(blank=True), "For people.", "aexl"),
        Key("skip", Text(), "Why it does not run now.", "aexl"),
        *SETUP_KEYS,
    ],
)

DEFAULTS: Final = Record(
    title="case defaults",
    words="a mapping of defaults",
    text="What counts for every case of the file. `inputs`, `files`, `answers`, `gates` and `env` are merged name by name, `expect` check by check; a case's own word wins.",
    build=_build_setup,
    open=("x-",),
    keys=[*SETUP_KEYS],
)


def _build_file(values: Values) -> CaseFile:
    defaults = values.get("defaults", Setup, Setup())
    outer = Setup(pipeline=values.get("pipeline", str), matrix=values.get("matrix", Matrix), places=_places(values))
    defaults = overlay(outer, defaults)
    cases = [msgspec.structs.replace(case, setup=overlay(defaults, case.setup)) for case in values.all("cases", Case)]
    seen: dict[str, Place] = {}
    for case in cases:
        if case.name in seen:
            message = f"the name {case.name[:60]!r} is taken by the case in line {seen[case.name].line}"
            values.reader.report.problem(case.place, message, "give it another name")
        seen.setdefault(case.name, case.place)
    if len(cases) > MOST_CASES:
        values.problem("cases", f"a file has at most {MOST_CASES} cases", "make several files of it")
    return CaseFile(cases=tuple(cases))


def overlay(below: Setup, above: Setup) -> Setup:
    """Return one setup over another: mappings are merged name by name, checks by what they are about."""
    changes: dict[str, Any] = {}
    for name in above.__struct_fields__:
        own, base = getattr(above, name), getattr(below, name)
        if name == "checks":
            said = {_topic(check) for check in own}
            changes[name] = (*(check for check in base if _topic(check) not in said), *own)
        elif isinstance(own, Mapping) and isinstance(base, Mapping):
            changes[name] = {**base, **own}
        else:
            changes[name] = base if own is None else own
    return Setup(**changes)


def _topic(check: Check) -> tuple[str, str, str]:
    return check.subject, check.name, check.what


FILE: Final = Record(
    title="case file",
    words="a mapping with 'cases:'",
    text="",
    build=_build_file,
    open=("x-", "meta"),
    keys=[
        Key("version", Text(), 'A text that is yours to choose; `"1"` where it is missing.', "aexl"),
        Key("description", Text(blank=True), "For people.", "aexl"),
        SETUP_KEYS[0],
        Key("defaults", DEFAULTS, "What counts for every case.", "aexl"),
        Key("matrix", MATRIX, "Runners and models that every case is tried with.", "aexl"),
        Key("cases", ListOf(CASE, least=1), "The cases.", "aexl", required=True),
    ],
)

RECORDS: Final = (FILE, CASE, DEFAULTS, MATRIX, ANSWER, GATE, *checks.RECORDS)
"""Every table of case files."""

__all__ = ["DECLARED", "FILE", "RECORDS"]
