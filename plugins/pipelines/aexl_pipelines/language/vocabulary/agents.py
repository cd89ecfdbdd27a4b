"""What agents are given: sampling, tools, providers, budgets, retries, additions to prompts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from aexl_pipelines.language.kinds import (
    INVALID,
    Choice,
    Duration,
    Either,
    Flag,
    ListOf,
    Money,
    Name,
    Number,
    Schema,
    Text,
)
from aexl_pipelines.language.model import (
    Backoff,
    Budget,
    Extra,
    McpCall,
    Provider,
    Resume,
    Retry,
    RetryOn,
    Sampling,
    Tools,
)
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.skills import Skill
from aexl_pipelines.language.source import AnyNode, Scalar
from aexl_pipelines.language.templates import Template, literal
from aexl_pipelines.language.texts import Arguments, ShellText, TemplateText, parse_file, read_template


@dataclass(frozen=True)
class _Thinking:
    words: str = "a number from 0 to 1, or true or false"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return 1.0 if node.value else 0.0
        return Number(0, 1).read(node, name, reader)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "boolean"}, Number(0, 1).schema()]}


@dataclass(frozen=True)
class _Stop:
    """A text that may be nothing but space: two line ends stop many an answer."""

    words: str = "a text"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text(blank=True).read(node, name, reader)
        if text == "":
            reader.problem(node, f"{name} must not be empty")
            return INVALID
        return text

    def schema(self) -> Schema:
        return {**Text(blank=True).schema(), "minLength": 1}


def _build_sampling(values: Values) -> Sampling:
    stops = values.all("stop_sequences", str)
    return Sampling(
        temperature=values.get("temperature", float),
        top_p=values.get("top_p", float),
        top_k=values.get("top_k", int),
        max_tokens=values.get("max_tokens", int),
        stop_sequences=stops or None,
        thinking=values.get("thinking", float),
    )


SAMPLING: Final = Record(
    title="sampling",
    words="a mapping of sampling values",
    text="How the model picks its words. Merged field by field: `defaults.sampling`, then `defaults.provider.sampling`, then the step's.",
    build=_build_sampling,
    keys=[
        Key("temperature", Number(0, 2), "0 to 2."),
        Key("top_p", Number(0, 1), "0 to 1."),
        Key("top_k", Number(1, whole=True), "1 or more."),
        Key("max_tokens", Number(1, whole=True), "1 or more."),
        Key("stop_sequences", ListOf(_Stop(), least=1), "Texts that end the answer; replaced as a whole."),
        Key("thinking", _Thinking(), "How much to think, 0 to 1; `true` is 1, `false` 0."),
    ],
)


def _build_tools(values: Values) -> Tools:
    return Tools(
        allow=values.all("allow", str), deny=values.all("deny", str), disabled=values.get("disabled", bool, False)
    )


_PATTERNS: Final = ListOf(Text(), single=True)

TOOLS: Final = Record(
    title="tools",
    words="a mapping with allow, deny or disabled",
    text="Which tools the agent may use, in the agent's own spelling. A step's `tools` replaces that of `defaults` whole.",
    build=_build_tools,
    keys=[
        Key("allow", _PATTERNS, "Only these."),
        Key("deny", _PATTERNS, "Not these."),
        Key("disabled", Flag(), "`true`: none at all, whatever else stands here."),
    ],
)


def _build_provider(values: Values) -> Provider:
    token = values.get("auth_token", Template)
    if token is not None and all(isinstance(part, str) for part in token.parts):
        place = values.node.values["auth_token"].place
        hint = "write {{ secrets.NAME }} or {{ env.NAME }}"
        values.reader.report.note(place, "the token stands in the file, which is not a secret", hint)
    return Provider(
        name=values.get("name", str),
        model=values.get("model", str),
        base_url=values.get("base_url", str),
        auth_token=token,
        connect_timeout=values.get("connect_timeout_seconds", float),
        read_timeout=values.get("read_timeout_seconds", float),
        max_history_messages=values.get("max_history_messages", int),
        sampling=values.get("sampling", Sampling),
    )


PROVIDER_TABLE: Final = Record(
    title="provider",
    words="a mapping of a provider's values",
    text="Where model calls go. As a text: `openai/gpt-4o-mini` (provider and model), the name of an entry in `providers:`, or a provider's name.",
    build=_build_provider,
    keys=[
        Key("name", Name(), "The provider, or an entry of `providers:`.", "aexl"),
        Key("model", Text(), "The model; wins over `model` beside it."),
        Key("base_url", Text(), "The address of an OpenAI-compatible endpoint."),
        Key("auth_token", TemplateText(), "Its token; as `{{ secrets.NAME }}` it is masked."),
        Key("connect_timeout_seconds", Duration(), "The longest wait for a connection."),
        Key("read_timeout_seconds", Duration(), "The longest wait for the answer."),
        Key("max_history_messages", Number(1, whole=True), "How much of a resumed session is sent again."),
        Key("sampling", lambda: SAMPLING, "Sampling for calls to this provider."),
    ],
)


@dataclass(frozen=True)
class _ProviderName:
    words: str = "a provider, as in openai/gpt-4o-mini"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str):
            return INVALID
        provider, slash, model = text.strip().partition("/")
        if not provider or (slash and not model):
            kind_error(reader, node, name, self.words)
            return INVALID
        return Provider(name=provider, model=model or None)

    def schema(self) -> Schema:
        return Text().schema()


PROVIDER: Final = Either("a provider, as in openai/gpt-4o-mini, or a mapping", _ProviderName(), PROVIDER_TABLE)


def _build_budget(values: Values) -> Budget:
    return Budget(
        usd=values.get("usd", int),
        tokens=values.get("tokens", int),
        turns=values.get("turns", int),
        time=values.get("time", float),
    )


BUDGET_TABLE: Final = Record(
    title="budget",
    words="a mapping with usd, tokens, turns or time",
    text="The most that a run or a step may use; as a number or text, USD.",
    build=_build_budget,
    keys=[
        Key("usd", Money(), "USD, as in `0.50`.", "aexl"),
        Key("tokens", Number(1, whole=True), "Input and output tokens together.", "aexl"),
        Key("turns", Number(1, whole=True), "Answers of models.", "aexl"),
        Key("time", Duration(), "Wall time, as in `10m`.", "aexl"),
    ],
)


@dataclass(frozen=True)
class _Dollars:
    words: str = "an amount in USD"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        amount = Money().read(node, name, reader)
        return Budget(usd=amount) if isinstance(amount, int) else INVALID

    def schema(self) -> Schema:
        return Money().schema()


BUDGET: Final = Either("an amount in USD, or a mapping with usd, tokens, turns or time", _Dollars(), BUDGET_TABLE)


def _build_retry(values: Values) -> Retry:
    backoff: Any = values.get("backoff", str, "exponential" if "delay" in values else "none")
    if backoff != "none" and "delay" not in values:
        values.problem("backoff", f"backoff {backoff!r} needs 'delay', the seconds before the second attempt")
    on: Any = values.all("on", str) or get_args(RetryOn)
    return Retry(
        times=values.get("times", int, 1),
        backoff=backoff,
        delay=values.get("delay", float, 0.0),
        longest=values.get("max_delay", float, 60.0),
        jitter=values.get("jitter", float, 0.0),
        on=on,
    )


@dataclass(frozen=True)
class _Jitter:
    words: str = "a number from 0 to 1, or true or false"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        found = _Thinking().read(node, name, reader)
        return 0.5 if isinstance(node, Scalar) and node.value is True else found

    def schema(self) -> Schema:
        return _Thinking().schema()


RETRY_TABLE: Final = Record(
    title="retry",
    words="a mapping with times, backoff, delay, max_delay, jitter or on",
    text="Further attempts after one that failed; as a number, how many. What `on_error` says holds after the last.",
    build=_build_retry,
    keys=[
        Key("times", Number(1, 100, whole=True), "Further attempts.", "aexl", required=True),
        Key("backoff", Choice(get_args(Backoff)), "How the wait grows; `exponential` if there is a `delay`.", "aexl"),
        Key("delay", Duration(zero=True), "Before the second attempt.", "aexl"),
        Key("max_delay", Duration(), "The longest wait; 60 s by default.", "aexl"),
        Key("jitter", _Jitter(), "The part of the wait that is left to chance; `true` is 0.5.", "aexl"),
        Key(
            "on",
            ListOf(Choice(get_args(RetryOn)), single=True),
            "What is worth another attempt; all by default.",
            "aexl",
        ),
    ],
)


@dataclass(frozen=True)
class _Times:
    words: str = "a number of attempts"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        times = Number(1, 100, whole=True).read(node, name, reader)
        return Retry(times=times) if isinstance(times, int) else INVALID

    def schema(self) -> Schema:
        return Number(1, 100, whole=True).schema()


RETRY: Final = Either("a number of attempts, or a mapping", _Times(), RETRY_TABLE)


def _build_resume(values: Values) -> Resume:
    return Resume(step=values.get("step", str), fork=values.get("fork", bool, False))


RESUME_TABLE: Final = Record(
    title="resume",
    words="a mapping with step or fork",
    text="Go on in an agent's session: `true` for the latest of the run, the id of a step for that step's.",
    build=_build_resume,
    keys=[
        Key("step", Name(), "Whose session; the latest by default.", "aexl"),
        Key("fork", Flag(), "`true`: leave that session as it is and go on in a copy.", "aexl"),
    ],
)


@dataclass(frozen=True)
class _ResumeWord:
    words: str = "true, false or the id of a step"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return Resume() if node.value else None
        step = Name().read(node, name, reader)
        return Resume(step=step) if isinstance(step, str) else INVALID

    def schema(self) -> Schema:
        return {"anyOf": [Flag().schema(), Name().schema()]}


RESUME: Final = Either("true, false, the id of a step, or a mapping", _ResumeWord(), RESUME_TABLE)


def _build_mcp(values: Values) -> McpCall:
    arguments = values.map("arguments", object)
    return McpCall(server=values.get("server", str, ""), tool=values.get("tool", str, ""), arguments=arguments)


MCP: Final = Record(
    title="mcp",
    words="a mapping with server, tool and arguments",
    text="A tool of an MCP server, called without a model.",
    build=_build_mcp,
    keys=[
        Key("server", Text(), "The program that is the server, or its address.", required=True),
        Key("tool", Name(), "The tool's name.", required=True),
        Key("arguments", Arguments(), "Its arguments; texts may hold `{{ names }}`."),
    ],
)


@dataclass(frozen=True)
class _FileText:
    """A file whose text is taken as it is, from the folder of the pipeline file."""

    words: str = "the path of a file"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        path = reader.path(node, text.strip())
        source = reader.text_of(node, path) if path is not None else None
        if source is None:
            return INVALID
        template = parse_file(source, reader)
        return INVALID if template is None else Extra(kind="file", template=template, file=str(path))

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class SkillName:
    """A skill, found by name or path."""

    words: str = "the name of a skill, or the path of its folder"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        return reader.skill(node) or INVALID

    def schema(self) -> Schema:
        return Text().schema()


_EXTRAS: Final = ("text", "file", "shell", "spec", "skill", "mcp")


def _build_extra(values: Values) -> object:
    written = [name for name in _EXTRAS if name in values]
    if len(written) != 1:
        found = f"not {' and '.join(written)}" if written else "and has none"
        values.reader.problem(values.node, f"{values.name} needs exactly one of {', '.join(_EXTRAS)}, {found}")
        return INVALID
    value = values.any(written[0])
    match value:
        case Extra():
            return value
        case Template():
            return Extra(kind="shell" if written[0] == "shell" else "text", template=value)
        case Skill():
            return Extra(kind="skill", template=literal(value.body), skill=value)
        case McpCall():
            return Extra(kind="mcp", template=literal(""), call=value)
        case str():
            return Extra(kind="spec", template=literal(value))
        case _:
            return INVALID


@dataclass(frozen=True)
class SpecWord:
    """A part of the description of the language."""

    words: str = "compact, schema, prose, core, runner, or a section such as s05 or r02"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        from aexl_pipelines.language.words import is_part

        text = node.text.strip() if isinstance(node, Scalar) else ""
        if is_part(text):
            return text
        kind_error(reader, node, name, self.words)
        return INVALID

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^(compact|schema|prose|core|runner|[sr][0-9]{2})$"}


EXTRA: Final = Record(
    title="append_system_prompt entry",
    words="a mapping with text, file, shell, spec, skill or mcp",
    text="One addition to a system prompt; a text by itself is `text`.",
    build=_build_extra,
    keys=[
        Key("text", TemplateText(), "A text; names in braces are filled in."),
        Key("file", _FileText(), "A file, relative to the pipeline file; names in braces are filled in."),
        Key("shell", ShellText(filled=True), "What a line of shell prints on standard output."),
        Key("spec", SpecWord(), "A part of the description of this language."),
        Key("skill", SkillName(), "The instructions of a skill."),
        Key("mcp", MCP, "What a tool of an MCP server answers."),
    ],
    extra={"minProperties": 1, "maxProperties": 1},
)


@dataclass(frozen=True)
class _ExtraText:
    words: str = "a text"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(Text().read(node, name, reader), str) or not isinstance(node, Scalar):
            return INVALID
        template = read_template(node, reader)
        return INVALID if template is None else Extra(kind="text", template=template)

    def schema(self) -> Schema:
        return Text().schema()


EXTRAS: Final = ListOf(Either("a text or a mapping", _ExtraText(), EXTRA), single=True)
RECORDS: Final = (SAMPLING, TOOLS, PROVIDER_TABLE, BUDGET_TABLE, RETRY_TABLE, RESUME_TABLE, MCP, EXTRA)
