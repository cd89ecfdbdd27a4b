"""What agents are given: sampling, tools, providers, budgets, retries, additions to prompts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aexl_pipelines.language.kinds import INVALID, Duration, Either, Flag, ListOf, Name, Number, Schema, Text
from aexl_pipelines.language.parts import Provider, Sampling, Tools
from aexl_pipelines.language.problems import suggest
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.source import AnyNode
from aexl_pipelines.language.templates import Template
from aexl_pipelines.language.texts import TemplateText
from aexl_pipelines.language.vocabulary.limits import Share


@dataclass(frozen=True)
class _Stop:
    """A text that may be nothing but space: two line ends stop many an answer."""

    words: str = "a text"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text(blank=True).read(node, name, reader)
        if text == "":
            reader.problem(node, f"{name} must not be empty", "add a text, or leave it out")
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
        Key("thinking", Share(), "How much to think, 0 to 1; `true` is 1, `false` 0."),
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
    text="Where model calls go. What only the runner `http` can honour is left out for other steps where it comes from `defaults` or `providers:`, and an error in a step's own `provider`. As a text: `openai/gpt-4o-mini` (provider and model), the name of an entry in `providers:`, or a provider's name.",
    build=_build_provider,
    keys=[
        Key("name", Name(), "The provider, or an entry of `providers:`.", "aexl"),
        Key("model", Text(), "The model; wins over `model` beside it."),
        Key("base_url", Text(), "The address of an OpenAI-compatible endpoint."),
        Key("auth_token", TemplateText(), "Its token; as `{{ secrets.NAME }}` it is masked."),
        Key("connect_timeout_seconds", Duration(), "The longest wait for a connection; runner `http`."),
        Key("read_timeout_seconds", Duration(), "The longest silence of an endpoint; runner `http`."),
        Key(
            "max_history_messages", Number(1, whole=True), "How much of a resumed session is sent again; runner `http`."
        ),
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


_ALIASES: Final = {"ollama": "http"}
"""What ail calls runners that have another name here."""


@dataclass(frozen=True)
class RunnerName:
    """A runner; large and small letters are the same."""

    words: str = "a name"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Name().read(node, name, reader)
        if not isinstance(text, str):
            return INVALID
        word = _ALIASES.get(text.lower(), text.lower())
        if reader.runners is not None and word not in reader.runners:
            hint = suggest(word, reader.runners) or "see 'aexl plugin list'"
            reader.problem(node, f"there is no runner {text[:60]!r}", hint)
            return INVALID
        return word

    def schema(self) -> Schema:
        return Name().schema()


RECORDS: Final = (SAMPLING, TOOLS, PROVIDER_TABLE)
