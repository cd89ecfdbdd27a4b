"""Streams pass byte for byte, and what they say is learned on the way."""

from __future__ import annotations

import itertools
import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Usage
from aexl_providers.answers import BodyReader, stream_reader
from aexl_providers.chat import ChatReader
from aexl_providers.messages import MessagesReader
from aexl_providers.nulls import strip_null_usage
from aexl_providers.responses import ResponsesReader
from aexl_providers.streams import StreamReader

DELTA = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"He said \\"usage\\":null"}}],"usage":null}\n\n'
PLAIN = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"He said \\"usage\\":null"}}]}\n\n'
FINAL = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
DONE = b"data: [DONE]\n\n"
CHAT = DELTA + b": ping\n\n" + DELTA + FINAL + DONE
CHAT_USAGE = Usage(input_tokens=3, output_tokens=4)

RESPONSES = (
    b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","usage":null}}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_1","service_tier":"flex",'
    b'"output":[{"type":"web_search_call"},{"type":"message"}],'
    b'"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":2},"output_tokens":6,"total_tokens":11}}}\n\n'
)
RESPONSES_USAGE = Usage(
    input_tokens=3, cached_input_tokens=2, output_tokens=6, tool_uses={"web_search": 1}, tier="flex"
)

MESSAGES = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":9,'
    b'"cache_read_input_tokens":4,"output_tokens":1}}}\n\n'
    b'event: ping\ndata: {"type": "ping"}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"\\"message_delta\\""}}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":15}}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":21}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
MESSAGES_USAGE = Usage(input_tokens=9, cached_input_tokens=4, output_tokens=21)


def feed(reader: StreamReader, data: bytes, cuts: list[int] | None = None) -> bytes:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts or []}), len(data)]
    passed = b"".join(reader.feed(data[start:end]) for start, end in itertools.pairwise(places))
    return passed + reader.close()


CUTS = st.lists(st.integers(0, 2000), max_size=40)


@given(CUTS)
def test_a_stream_that_asked_for_usage_passes_exactly(cuts: list[int]) -> None:
    reader = ChatReader(injected=False)
    assert feed(reader, CHAT, cuts) == CHAT
    assert reader.usage == CHAT_USAGE
    assert reader.finished


@given(CUTS)
def test_what_was_asked_for_in_the_callers_stead_is_taken_out_and_nothing_else(cuts: list[int]) -> None:
    reader = ChatReader(injected=True)
    assert feed(reader, CHAT, cuts) == PLAIN + b": ping\n\n" + PLAIN + DONE
    assert reader.usage == CHAT_USAGE
    assert reader.finished


@given(CUTS)
def test_a_response_stream_passes_exactly_and_has_usage_id_and_end(cuts: list[int]) -> None:
    reader = ResponsesReader()
    assert feed(reader, RESPONSES, cuts) == RESPONSES
    assert (reader.usage, reader.upstream_id, reader.finished) == (RESPONSES_USAGE, "resp_1", True)


@given(CUTS)
def test_a_message_stream_passes_exactly_and_its_last_delta_counts(cuts: list[int]) -> None:
    reader = MessagesReader()
    assert feed(reader, MESSAGES, cuts) == MESSAGES
    assert (reader.usage, reader.finished) == (MESSAGES_USAGE, True)


BEGINNING = MESSAGES[: MESSAGES.index(b"event: ping")]


def test_a_message_that_only_began_has_its_input() -> None:
    reader = MessagesReader()
    reader.feed(BEGINNING)
    assert reader.usage == Usage(input_tokens=9, cached_input_tokens=4, output_tokens=1)
    assert not reader.finished


@pytest.mark.parametrize(
    "end", [b"", b'event: error\ndata: {"type":"error","error":{}}\n\n', b'data: {"type":"message_stop"}\n\n']
)
def test_a_message_that_ends_after_its_beginning_has_no_usage(end: bytes) -> None:
    reader = MessagesReader()
    feed(reader, BEGINNING + end)
    assert reader.usage is None
    assert reader.ended is bool(end)
    assert reader.finished is (b"message_stop" in end)


@pytest.mark.parametrize("kind", ["incomplete", "failed"])
def test_a_response_may_end_in_other_ways(kind: str) -> None:
    reader = ResponsesReader()
    feed(reader, RESPONSES.replace(b"response.completed", f"response.{kind}".encode()))
    assert reader.ended
    assert reader.finished is (kind == "incomplete")
    assert reader.usage == RESPONSES_USAGE


def test_the_id_of_a_response_is_known_from_its_first_event() -> None:
    reader = ResponsesReader()
    reader.feed(RESPONSES[: RESPONSES.index(b"event: response.output")])
    assert reader.upstream_id == "resp_1"
    assert not reader.finished


@pytest.mark.parametrize(
    ("surface", "error"),
    [
        ("chat", b'data: {"error":{"message":"overloaded"}}\n\n'),
        ("responses", b'event: error\ndata: {"type":"error","code":"x","message":"y"}\n\n'),
        ("messages", b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'),
    ],
)
def test_a_stream_with_an_error_event_is_no_finished_answer(surface: str, error: bytes) -> None:
    reader = stream_reader(surface, False)  # type: ignore[arg-type]  # parameters are plain strings
    assert reader.feed(error) == error
    assert reader.failed
    assert not reader.finished
    assert reader.usage is None


def test_the_word_error_in_a_text_ends_nothing() -> None:
    reader = ChatReader(injected=False)
    reader.feed(b'data: {"choices":[{"delta":{"role":"error","x":"error"}}]}\n\ndata: "error"\n\n')
    assert not reader.finished


def test_the_last_of_two_usages_counts() -> None:
    reader = ChatReader(injected=False)
    feed(reader, FINAL + FINAL.replace(b":4", b":5").replace(b":7", b":8"))
    assert reader.usage == Usage(input_tokens=3, output_tokens=5)


def test_usage_on_a_chunk_with_choices_is_not_taken_out() -> None:
    event = FINAL.replace(b'"choices":[]', b'"choices":[{"index":0,"delta":{}}]')
    reader = ChatReader(injected=True)
    assert reader.feed(event) == event
    assert reader.usage == CHAT_USAGE


def test_negative_usage_is_none_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    reader = ChatReader(injected=False)
    bad = FINAL.replace(b":3", b":-3")
    with caplog.at_level(logging.WARNING):
        assert feed(reader, bad + DONE) == bad + DONE
    assert reader.usage is None
    assert reader.finished
    assert "cannot be true" in caplog.text


def test_nonsense_passes_as_it_came() -> None:
    for reader in (ChatReader(injected=True), ResponsesReader(), MessagesReader()):
        data = b'data: {"usage": {"message_start" "response.completed" "error"\n\ndata: \xff"usage":{\n\ntail'
        assert feed(reader, data) == data
        assert reader.usage is None


def test_half_an_event_at_a_clean_end_passes() -> None:
    assert feed(ChatReader(injected=False), DELTA + b'data: {"half') == DELTA + b'data: {"half'


STRIPS = [
    (b'{"a":1,"usage":null}', b'{"a":1}'),
    (b'{"usage":null,"a":1}', b'{"a":1}'),
    (b'{"usage":null}', b"{}"),
    (b'{"a":1,"usage":null,"b":2}', b'{"a":1,"b":2}'),
    (b'{"a": 1, "usage" : null , "b": 2}', b'{"a": 1 , "b": 2}'),
    (b'{ "usage": null, "b": 2}', b'{ "b": 2}'),
    (b'{"a":"\\"usage\\":null"}', b'{"a":"\\"usage\\":null"}'),
    (b'{"a":"x\\\\","usage":null}', b'{"a":"x\\\\"}'),
    (b'{"a":{"usage":null},"usage":null}', b'{"a":{"usage":null}}'),
    (b'{"usage":null,"a":{"usage":null}}', b'{"a":{"usage":null}}'),
    (b'{"a":{"usage":null}}', b'{"a":{"usage":null}}'),
    (b'{"a":[{"usage":null}],"b":"}"}', b'{"a":[{"usage":null}],"b":"}"}'),
    (b'{"usage":null,"b":"}}{"}', b'{"b":"}}{"}'),
    (b'{"a":"{{[","usage":null,"b":{}}', b'{"a":"{{[","b":{}}'),
    (b'{"usage":nullable}', b'{"usage":nullable}'),
]


@pytest.mark.parametrize(("event", "stripped"), STRIPS)
def test_only_the_outermost_null_usage_goes(event: bytes, stripped: bytes) -> None:
    assert strip_null_usage(b"data: " + event + b"\n\n") == b"data: " + stripped + b"\n\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.sampled_from(['"usage":null', ',"usage":null}', "usage", "}", "{"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["usage", "a"]), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text() | st.sampled_from(["usage", "choices"]), JSON, max_size=6), st.booleans())
def test_what_is_left_means_the_same_without_the_key(value: dict[str, object], spaced: bool) -> None:
    value["usage"] = None
    text = msgspec.json.encode(value)
    if spaced:
        text = msgspec.json.format(text, indent=0).replace(b"\n", b" ")
    rest = strip_null_usage(b"data: " + text + b"\n\n")
    del value["usage"]
    assert msgspec.json.decode(rest[6:]) == value


@pytest.mark.parametrize(
    ("surface", "body", "usage", "upstream_id"),
    [
        ("chat", b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}', CHAT_USAGE, None),
        ("chat", b'{"id":"c","choices":[]}', None, None),
        ("chat", b'{"usage":null}', None, None),
        ("responses", b'{"id":"resp_2","usage":{"input_tokens":3,"output_tokens":4}}', CHAT_USAGE, "resp_2"),
        ("messages", b'{"usage":{"input_tokens":3,"output_tokens":4}}', CHAT_USAGE, None),
        ("count", b'{"input_tokens":77}', Usage(), None),
        ("stored", b'{"id":"resp_2","usage":{"input_tokens":3,"output_tokens":4}}', Usage(), None),
    ],
)
def test_a_body_is_read(surface: str, body: bytes, usage: Usage | None, upstream_id: str | None) -> None:
    reader = BodyReader(surface)  # type: ignore[arg-type]  # parameters are plain strings
    reader.read(body)
    assert (reader.usage, reader.upstream_id, reader.finished) == (usage, upstream_id, True)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"usage":', b"[1]"])
def test_a_body_that_is_no_answer_is_not_finished(body: bytes) -> None:
    reader = BodyReader("chat")
    reader.read(body)
    assert (reader.usage, reader.finished) == (None, False)


def test_a_body_with_impossible_usage_is_finished_without_it() -> None:
    reader = BodyReader("chat")
    reader.read(b'{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":1}}')
    assert (reader.usage, reader.finished) == (None, True)


@pytest.mark.parametrize(("more", "usage"), [(0, CHAT_USAGE), (1, None)])
def test_a_body_is_read_up_to_a_limit_and_passes_beyond(
    monkeypatch: pytest.MonkeyPatch, more: int, usage: Usage | None
) -> None:
    body = b'{"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    monkeypatch.setattr("aexl_providers.answers.MAX_READ", len(body))
    reader = BodyReader("chat")
    pieces = [body[:20], body[20:] + b" " * more]
    assert [reader.feed(piece) for piece in pieces] == pieces
    assert (reader.close(), reader.usage, reader.finished) == (b"", usage, True)
