"""A whole file: defaults, steps, inputs, outputs, secrets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from aexl.errors import Invalid
from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.inputs import check_input
from aexl_pipelines.language.kinds import (
    INVALID,
    Anything,
    Choice,
    Duration,
    Either,
    Flag,
    Identifier,
    ListOf,
    Made,
    MapOf,
    Number,
    Schema,
    Text,
)
from aexl_pipelines.language.model import Defaults, OnTimeout, Pipeline, Step
from aexl_pipelines.language.parts import Budget, Input, Output, Prompt, Provider, Sampling, Secret, Tools
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.source import AnyNode, Scalar, as_json
from aexl_pipelines.language.templates import Template
from aexl_pipelines.language.texts import PatternText, PromptText, TemplateText
from aexl_pipelines.language.vocabulary import agents, bodies, limits, prompts, results, steps

_TYPES: Final = {
    "text": "text",
    "string": "text",
    "integer": "integer",
    "int": "integer",
    "number": "number",
    "float": "number",
    "boolean": "boolean",
    "bool": "boolean",
    "choice": "choice",
    "enum": "choice",
    "list": "list",
    "array": "list",
    "object": "object",
    "json": "object",
    "file": "file",
}


def _build_defaults(values: Values) -> Defaults:
    on_error, retry = limits.read_failure(values)
    on_timeout: Any = values.get("on_timeout", str)
    return Defaults(
        model=values.get("model", str),
        runner=values.get("runner", str),
        provider=values.get("provider", Provider),
        tools=values.get("tools", Tools),
        sampling=values.get("sampling", Sampling),
        system_prompt=values.get("system_prompt", Prompt),
        timeout=limits.read_timeout(values),
        idle_timeout=values.get("idle_timeout", float),
        on_timeout=on_timeout,
        on_error=on_error,
        retry=retry,
        max_concurrency=values.get("max_concurrency", int),
        budget=values.get("budget", Budget),
        env=values.map("env", Template),
    )


DEFAULTS: Final = Record(
    title="defaults",
    words="a mapping of defaults",
    text="What counts for every step that does not say it itself, the implied `invocation` too.",
    build=_build_defaults,
    open=("x-",),
    keys=[
        Key("model", Text(), "The model."),
        Key("runner", agents.RunnerName(), "Which agent.", "aexl"),
        Key("provider", agents.PROVIDER, "Where model calls go."),
        Key("tools", agents.TOOLS, "Which tools agents may use."),
        Key("sampling", agents.SAMPLING, "How models pick their words."),
        Key("system_prompt", PromptText(), "Replaces the agents' own.", "aexl"),
        Key("timeout", Duration(), "The longest that one attempt of a step may take.", "aexl"),
        Key("timeout_seconds", Duration(), "The same."),
        Key("idle_timeout", Duration(), "The longest silence of an agent.", "aexl"),
        Key("on_timeout", Choice(get_args(OnTimeout)), "What follows from a time that ran out."),
        Key(
            "on_error",
            Choice(("abort_pipeline", "continue", "retry", "pause_for_human")),
            "What follows from a failure.",
        ),
        Key("max_retries", Number(1, 100, whole=True), "With `on_error: retry`: further attempts."),
        Key("retry", limits.RETRY, "Further attempts, with waits.", "aexl"),
        Key("max_concurrency", Number(1, 1000, whole=True), "The most async steps that run at a time."),
        Key("budget", limits.BUDGET, "The most that each step may use.", "aexl"),
        Key("env", MapOf(TemplateText(blank=True), Identifier()), "Variables for every step's program.", "aexl"),
    ],
)


def _build_input(values: Values) -> Input:
    kind: Any = _TYPES[values.get("type", str, "choice" if "choices" in values or "enum" in values else "text")]
    choices: Any = values.any("choices") if "choices" in values else values.any("enum")
    wanted = Input(
        type=kind,
        description=values.get("description", str, ""),
        choices=choices if isinstance(choices, tuple) else (),
        minimum=values.get("minimum", float),
        maximum=values.get("maximum", float),
        pattern=values.get("pattern", Pattern),
        secret=values.get("secret", bool, False),
    )
    if kind == "choice" and not wanted.choices and not {"choices", "enum"} & set(values.node.values):
        values.problem("type", "an input of type choice needs 'choices'", "add choices: [one, other]")
    required = values.get("required", bool, "default" not in values)
    default = values.any("default")
    if "default" in values and default is not None:
        try:
            default = check_input(values.name.removeprefix("inputs."), wanted, default) if kind != "file" else default
        except Invalid as error:
            values.reader.problem(values.node.values["default"], str(error), "give a default that fits, or none")
    import msgspec

    return msgspec.structs.replace(wanted, default=default, required=required)


INPUT: Final = Record(
    title="input",
    words="a mapping that describes an input",
    text="A value that a run is given with `--input NAME=VALUE`; asked for on a terminal; `{{ inputs.NAME }}`.",
    build=_build_input,
    open=("x-",),
    keys=[
        Key("type", Choice(tuple(_TYPES)), "`text` by default.", "aexl"),
        Key("description", Text(blank=True), "What a person who is asked reads.", "aexl"),
        Key("default", Anything(), "Without it the input is required.", "aexl"),
        Key("required", Flag(), "`false`: it may be missing and has no value then.", "aexl"),
        Key("choices", ListOf(Anything(), least=1), "For `choice`: the values.", "aexl"),
        Key("enum", ListOf(Anything(), least=1), "The same.", "aexl"),
        Key("minimum", Number(), "For numbers.", "aexl"),
        Key("maximum", Number(), "For numbers.", "aexl"),
        Key("pattern", PatternText(), "For texts.", "aexl"),
        Key("secret", Flag(), "`true`: masked wherever it turns up.", "aexl"),
    ],
)


def _build_output(values: Values) -> Output:
    value = values.get("value", Template, Template("", ()))
    return Output(value=value, description=values.get("description", str, ""))


OUTPUT: Final = Record(
    title="output",
    words="a text or a mapping with a value",
    text="A value that a run answers with; a text by itself is its `value`.",
    build=_build_output,
    keys=[
        Key("value", TemplateText(), "As in `{{ step.review.json.verdict }}`.", "aexl", required=True),
        Key("description", Text(blank=True), "What it is.", "aexl"),
    ],
)


def _build_secret(values: Values) -> object:
    if ("env" in values) == ("file" in values):
        both = "not both" if "env" in values else "and has neither"
        values.reader.problem(
            values.node, f"a secret comes from 'env' or from 'file', {both}", "write env: and the variable"
        )
    return Secret(env=values.get("env", str), file=values.get("file", str))


@dataclass(frozen=True)
class _SecretFile:
    """A path that is not read before the run needs it."""

    words: str = "the path of a file"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        path = reader.path(node, text.strip())
        if path is None:
            return INVALID
        reader.texts[node] = path
        return str(path)

    def schema(self) -> Schema:
        return Text().schema()


SECRET: Final = Record(
    title="secret",
    words="a mapping with env or file",
    text="A value that is put in where `{{ secrets.NAME }}` stands, and masked wherever else it turns up.",
    build=_build_secret,
    keys=[
        Key("env", Identifier(), "The variable that has it.", "aexl"),
        Key("file", _SecretFile(), "The file that has it.", "aexl"),
    ],
    extra={"minProperties": 1, "maxProperties": 1},
)


@dataclass(frozen=True)
class _SecretName:
    """A variable's name: the secret is called the same, or as the key says."""

    words: str = "the name of a variable"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and node.value is None:
            return Secret(env=name.rpartition(".")[2])
        text = Identifier().read(node, name, reader)
        return Secret(env=text) if isinstance(text, str) else INVALID

    def schema(self) -> Schema:
        return {"anyOf": [Identifier().schema(), {"type": "null"}]}


SECRETS: Final = Either(
    "a list of variables, or a mapping",
    None,
    MapOf(Either("the name of a variable, or a mapping", _SecretName(), SECRET), Identifier()),
    ListOf(Identifier()),
)


@dataclass(frozen=True)
class _Base:
    """``FROM:``, which has been followed when this is read."""

    words: str = "a path, 'snapshot:ID/PATH' or 'https://...#sha256=HASH'"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        kind_error(reader, node, name, self.words)
        return INVALID

    def schema(self) -> Schema:
        return Text().schema()


def _build_file(values: Values) -> Pipeline:
    secrets = values.any("secrets")
    if isinstance(secrets, tuple):
        secrets = {name: Secret(env=name) for name in secrets}
    for key in ("safety", "observability", "plugins"):
        if key in values:
            place = values.node.keys[key].place
            values.reader.report.note(place, f"{key!r} is kept for other tools; it has no effect here")
    meta = values.any("meta")
    description = meta.get("description") if isinstance(meta, dict) else None
    written = values.any("pipelines")
    named = written if isinstance(written, dict) else {}
    return Pipeline(
        version=values.get("version", str, "1").strip(),
        description=values.get("description", str, description if isinstance(description, str) else ""),
        defaults=values.get("defaults", Defaults, Defaults()),
        steps=values.all("pipeline", Step),
        pipelines={name: tuple(s for s in found if isinstance(s, Step)) for name, found in named.items()},
        providers=values.map("providers", Provider),
        inputs=values.map("inputs", Input),
        outputs=values.map("outputs", Output),
        secrets={name: s for name, s in secrets.items() if isinstance(s, Secret)} if isinstance(secrets, dict) else {},
        budget=values.get("budget", Budget),
        extra={key.text: as_json(node) for key, node in values.node if is_extra(key.text)},
    )


def is_extra(key: str) -> bool:
    """Say whether a key of a file is kept as it is."""
    return key.startswith("x-") or key in {"meta", "safety", "observability", "plugins"}


FILE: Final = Record(
    title="pipeline file",
    words="a mapping with 'pipeline:' and its steps",
    text="",
    build=_build_file,
    open=("x-",),
    keys=[
        Key("version", Text(), 'A text that is yours to choose; `"1"` where it is missing.'),
        Key("description", Text(blank=True), "One line for `aexl pipeline list`; `meta.description` will do.", "aexl"),
        Key("FROM", _Base(), "The file that this one inherits; see *Inheritance*."),
        Key("defaults", DEFAULTS, "What counts for every step."),
        Key("pipeline", steps.STEPS, "The steps, in order. With `FROM`: hooks, and steps that come last."),
        Key("pipelines", MapOf(steps.STEPS), "Further pipelines by name, for `pipeline: NAME`."),
        Key("providers", MapOf(agents.PROVIDER), "Names for providers."),
        Key("inputs", MapOf(Either("a mapping", None, INPUT), Identifier()), "Values that a run is given.", "aexl"),
        Key(
            "outputs",
            MapOf(
                Either(
                    "a text, or a mapping with 'value'", Made(TemplateText(), lambda value: Output(value=value)), OUTPUT
                ),
                Identifier(),
            ),
            "Values that a run answers with.",
            "aexl",
        ),
        Key(
            "secrets",
            SECRETS,
            "Values that are masked everywhere: names of variables, or `NAME: {env: …}`, `NAME: {file: …}`.",
            "aexl",
        ),
        Key("budget", limits.BUDGET, "The most that a run may use.", "aexl"),
        Key("meta", Anything(), "Anything: for people and other tools."),
        Key("safety", Anything(), "Kept; no effect."),
        Key("observability", Anything(), "Kept; no effect."),
        Key("plugins", Anything(), "Kept; no effect."),
    ],
)

RECORDS: Final = (
    FILE,
    DEFAULTS,
    *steps.RECORDS,
    *results.RECORDS,
    *agents.RECORDS,
    *limits.RECORDS,
    *prompts.RECORDS,
    *bodies.RECORDS,
    INPUT,
    OUTPUT,
    SECRET,
)
"""Every table of the language."""
