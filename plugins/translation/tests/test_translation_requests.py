"""Requests: each dialect's writer and reader undo each other, and wrong values are named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl_translation.codecs import CODECS
from aexl_translation.fields.rules import Check
from aexl_translation.names import LONGEST, Names, fit
from aexl_translation.opaque import seal, unseal
from aexl_translation.pivot import (
    Format,
    Media,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from aexl_translation.refusals import Untranslatable
from aexl_translation.writing import Aim

DIALECTS = list(CODECS)
few = settings(max_examples=40)
CHECKS = {dialect: Check(codec.fields, lenient=False) for dialect, codec in CODECS.items()}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
names = st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True)
arguments = st.dictionaries(names, words, max_size=2).map(json.dumps)
images = st.builds(Media, st.just("image"), st.just("image/png"), st.just("iVBORw0KGgo="))


@st.composite
def requests(draw) -> Request:
    """Draw a conversation that every dialect can hold: questions, calls with their results, answers."""
    turns: list[Turn] = []
    calls = 0
    for _ in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", [Text(draw(words)), *draw(st.lists(images, max_size=1))]))
        if draw(st.booleans()):
            asked = [
                ToolCall(f"call_{calls + n}", draw(names), draw(arguments)) for n in range(draw(st.integers(1, 2)))
            ]
            calls += len(asked)
            turns.append(Turn("assistant", [*([Text(draw(words))] if draw(st.booleans()) else []), *asked]))
            turns.append(Turn("user", [ToolResult(call.id, [Text(draw(words))], name=call.name) for call in asked]))
        turns.append(Turn("assistant", [Text(draw(words))]))
    turns.append(Turn("user", [Text(draw(words))]))
    tools = [Tool(name, draw(words), SCHEMA) for name in draw(st.lists(names, max_size=2, unique=True))]
    modes = [None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
    return Request(
        origin="chat",
        stream=False,
        instructions=draw(st.lists(words.map(Text), max_size=1)),
        turns=turns,
        tools=tools,
        tool_choice=draw(st.sampled_from([*modes, ToolChoice("named", [tools[0].name])])) if tools else None,
        format=draw(st.sampled_from([None, Format("schema", schema=SCHEMA)])),
        temperature=draw(st.sampled_from([None, 0.5])),
    )


def normal(request: Request) -> object:
    """Return what a request says, without what only one dialect tells apart."""
    said = []
    for turn in request.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                said.append((turn.role, "call", part.name, json.loads(part.arguments)))
            elif isinstance(part, ToolResult):
                said.append((turn.role, "result", [one.text for one in part.parts]))
            elif isinstance(part, Media):
                said.append((turn.role, part.kind, part.media_type, part.data))
            elif isinstance(part, Text):
                said.append((turn.role, "text", part.text))
    return (
        said,
        [text.text for text in request.instructions],
        [(tool.name, tool.description, tool.parameters) for tool in request.tools],
        request.tool_choice,
        request.format.schema if request.format else None,
        request.temperature,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@few
@given(request=requests())
def test_a_request_is_the_same_after_it_was_written_and_read(dialect, request) -> None:
    codec = CODECS[dialect]
    body = codec.write(request, Aim(model="some-model", limit=100), Names(request.tools, custom=codec.custom))
    read = codec.read(json.loads(json.dumps(body)), CHECKS[dialect])

    assert normal(read) == normal(request)


@pytest.mark.parametrize("dialect", DIALECTS)
@few
@given(request=requests())
def test_ids_of_calls_and_results_fit_each_other(dialect, request) -> None:
    codec = CODECS[dialect]
    body = codec.write(request, Aim(model="some-model", limit=100), Names(request.tools, custom=codec.custom))
    parts = [part for turn in codec.read(body, CHECKS[dialect]).turns for part in turn.parts]
    asked = [part.id for part in parts if isinstance(part, ToolCall)]

    assert asked == [part.id for part in parts if isinstance(part, ToolResult)]
    assert len(asked) == len(set(asked))


@given(name=st.text(max_size=200))
def test_a_name_fits_and_is_always_the_same(name) -> None:
    assert len(fit(name)) <= LONGEST
    assert fit(name) == fit(name)
    assert fit(fit(name)) == fit(name)


@given(content=st.text(), id=st.from_regex(r"[a-z_0-9]*", fullmatch=True), redacted=st.booleans())
def test_what_is_sealed_comes_back(content, id, redacted) -> None:
    reasoning = Reasoning("responses", "shown", content, "" if redacted else id, redacted)
    assert unseal(seal(reasoning), "shown", "messages") == reasoning


def test_what_nobody_sealed_is_the_clients_own() -> None:
    assert unseal("EqQB.x", "shown", "messages") == Reasoning("messages", "shown", "EqQB.x")


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(Untranslatable, match="two tools"):
        Names([Tool("a"), Tool("a")], custom=True)


WRONG = [
    ("chat", {"messages": "Hello"}, "messages must be a list"),
    ("chat", {"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role must be"),
    ("chat", {"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages[0].content[0].type"),
    ("chat", {"messages": [], "temperature": "hot"}, "temperature must be a number"),
    ("chat", {"messages": [], "n": 2}, "n (2) cannot be translated"),
    ("chat", {"messages": [], "prediction": {"type": "content", "content": "x"}}, "prediction"),
    ("chat", {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
    ("chat", {"messages": [], "reasoning_effort": "huge"}, "reasoning_effort must be one of none, minimal"),
    ("chat", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:x"}]}]}, "base64"),
    ("responses", {"input": "x", "previous_response_id": "resp_1"}, "send their items as input"),
    ("responses", {"input": "x", "background": True}, "background"),
    ("responses", {"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
    ("responses", {"input": "x", "tools": [{"type": "web_search"}]}, "tools[0].type"),
    ("responses", {"input": "x", "tools": [{"type": "tool_search"}]}, "unless its execution is client"),
    ("responses", {"input": "x", "truncation": "auto"}, "truncation"),
    ("messages", {"messages": [], "container": "c"}, "container"),
    ("messages", {"messages": [], "tools": [{"type": "bash_20250124", "name": "bash"}]}, "known to Claude alone"),
    ("messages", {"messages": [], "speed": "fast"}, "fast mode is Anthropic's alone"),
    ("messages", {"messages": [], "mcp_servers": [{"url": "x"}]}, "mcp_servers"),
    (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "web_search_tool_result"}]}]},
        "runs at Anthropic",
    ),
    (
        "messages",
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
        "file_id",
    ),
    ("gemini", {"contents": [], "cachedContent": "c"}, "cachedContent"),
    ("gemini", {"contents": [], "tools": [{"googleSearch": {}}]}, "googleSearch"),
    ("gemini", {"contents": [], "generation_config": {"candidate_count": 2}}, "generationConfig.candidateCount"),
    ("gemini", {"contents": [{"parts": [{"executableCode": {"code": "x"}}]}]}, "executableCode"),
]


@pytest.mark.parametrize(("dialect", "body", "sentence"), WRONG)
def test_what_cannot_be_carried_over_is_named(dialect, body, sentence) -> None:
    with pytest.raises(Untranslatable) as caught:
        CODECS[dialect].read(body, CHECKS[dialect])
    assert sentence in caught.value.reason
    assert caught.value.param


UNSAYABLE = [
    ("responses", Request(origin="messages", stop=["END"]), "stop_sequences"),
    ("responses", Request(origin="gemini", presence_penalty=1.0), "generationConfig.presencePenalty"),
    ("messages", Request(origin="chat", frequency_penalty=1.0), "frequency_penalty"),
    ("messages", Request(origin="chat", service_tier="flex"), "service_tier"),
    ("messages", Request(origin="chat", format=Format("object")), "response_format"),
    ("gemini", Request(origin="chat", logprobs=0), "logprobs"),
    ("chat", Request(origin="responses", logprobs=3), "top_logprobs"),
    ("chat", Request(origin="messages", turns=[Turn("user", [Media("file", url="https://a.example")])]), "messages"),
    ("messages", Request(origin="chat", turns=[Turn("user", [Media("audio", "audio/wav", "AA==")])]), "messages"),
    ("responses", Request(origin="chat", turns=[Turn("user", [Media("audio", "audio/wav", "AA==")])]), "messages"),
]


@pytest.mark.parametrize(("dialect", "request_", "param"), UNSAYABLE)
def test_what_the_providers_dialect_cannot_say_is_named_by_the_clients_field(dialect, request_, param) -> None:
    with pytest.raises(Untranslatable) as caught:
        CODECS[dialect].write(request_, Aim(model="m", limit=10), Names([], custom=True))
    assert caught.value.param == param


def test_a_model_that_always_searches_is_not_called_by_another_dialect() -> None:
    with pytest.raises(Untranslatable, match="searches the web"):
        CODECS["chat"].write(Request(origin="messages"), Aim(model="gpt-4o-search-preview"), Names([], custom=False))


def test_a_message_that_was_only_for_one_turn_is_left_out_later() -> None:
    passing = {"role": "system", "content": "Be quick.", "clear_at": "next_user_message"}
    first, then = {"role": "user", "content": "Hi"}, {"role": "user", "content": "And?"}
    read = CODECS["messages"].read

    assert len(read({"messages": [first, passing]}, CHECKS["messages"]).turns) == 2
    assert len(read({"messages": [first, passing, then]}, CHECKS["messages"]).turns) == 2
