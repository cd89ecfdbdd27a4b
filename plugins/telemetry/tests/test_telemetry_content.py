"""Answers and conversations of every dialect, whole and as streams."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.testing.provider import ANSWER
from aexl_telemetry.answers import Answered, read_answer
from aexl_telemetry.content import fit, input_messages


def events(*bodies, names=False):
    return [
        (f"event: {b.get('type')}\n" if names else "").encode() + b"data: " + json.dumps(b).encode() + b"\n\n"
        for b in bodies
    ]


def chunk(delta, reason=None, index=0):
    return {"id": "c1", "model": "gpt-x", "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}


CHAT = events(
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Let me "}),
    chunk({"content": "look."}),
    chunk({"tool_calls": [{"index": 0, "id": "t1", "function": {"name": "add", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 1, "id": "t2", "function": {"name": "sub", "arguments": '{"a":'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]}),
    chunk({"tool_calls": [{"index": 1, "function": {"arguments": "2}"}}]}),
    chunk({}, "tool_calls"),
    {"id": "c1", "model": "gpt-x", "choices": [], "usage": {"prompt_tokens": 1}},
)
RESPONSE = {
    "id": "r1",
    "model": "gpt-x",
    "status": "completed",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]},
        {"type": "function_call", "call_id": "t1", "name": "add", "arguments": '{"a":1}'},
    ],
}
MESSAGE = {
    "id": "m1",
    "model": "claude-x",
    "stop_reason": "tool_use",
    "content": [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
    ],
}
MESSAGES = events(
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Let me look."}},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t1", "name": "add", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
    names=True,
)
GEMINI = {
    "responseId": "g1",
    "modelVersion": "gemini-x",
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"text": "Let me look."}, {"functionCall": {"name": "add", "args": {"a": 1}}}],
            },
            "finishReason": "STOP",
        }
    ],
}
TEXT = {"type": "text", "content": "Let me look."}
THOUGHT = {"type": "reasoning", "content": "hm"}
ADD = {"type": "tool_call", "id": "t1", "name": "add", "arguments": {"a": 1}}
SUB = {"type": "tool_call", "id": "t2", "name": "sub", "arguments": {"a": 2}}

CASES = [
    ("chat", True, CHAT, ("c1", "gpt-x", ["tool_calls"]), [TEXT, ADD, SUB], "tool_call"),
    ("chat", False, [ANSWER], ("chatcmpl-1", "test-model", ["stop"]), [{"type": "text", "content": "Hello"}], "stop"),
    (
        "responses",
        False,
        [json.dumps(RESPONSE).encode()],
        ("r1", "gpt-x", ["tool_calls"]),
        [THOUGHT, TEXT, ADD],
        "tool_call",
    ),
    (
        "responses",
        True,
        events(
            {"type": "response.created", "response": {"id": "r1"}}, {"type": "response.completed", "response": RESPONSE}
        ),
        ("r1", "gpt-x", ["tool_calls"]),
        [THOUGHT, TEXT, ADD],
        "tool_call",
    ),
    (
        "messages",
        False,
        [json.dumps(MESSAGE).encode()],
        ("m1", "claude-x", ["tool_use"]),
        [THOUGHT, TEXT, ADD],
        "tool_call",
    ),
    ("messages", True, MESSAGES, ("m1", "claude-x", ["tool_use"]), [THOUGHT, TEXT, ADD], "tool_call"),
    ("gemini", False, [json.dumps(GEMINI).encode()], ("g1", "gemini-x", ["STOP"]), [TEXT, {**ADD, "id": ""}], "stop"),
    ("gemini", True, events(GEMINI), ("g1", "gemini-x", ["STOP"]), [TEXT, {**ADD, "id": ""}], "stop"),
]


@pytest.mark.parametrize(("surface", "stream", "chunks", "head", "parts", "reason"), CASES)
def test_an_answer_says_who_gave_it_and_why_it_ended(surface, stream, chunks, head, parts, reason):
    for content in (True, False):
        found = read_answer(surface, chunks, stream=stream, content=content)
        assert (found.id, found.model, found.reasons) == head
    whole = read_answer(surface, chunks, stream=stream, content=True)
    assert whole.messages == [{"role": "assistant", "parts": parts, "finish_reason": reason}]


@pytest.mark.parametrize(("surface", "stream", "chunks"), [case[:3] for case in CASES])
def test_an_answer_that_was_cut_is_read_as_far_as_it_goes(surface, stream, chunks):
    body = b"".join(chunks)
    for length in range(0, len(body), 7):
        read_answer(surface, [body[:length]], stream=stream, content=True)


@given(
    st.sampled_from(["chat", "responses", "messages", "gemini", "completions", "speech"]), st.binary(), st.booleans()
)
def test_bytes_that_are_no_answer_tell_nothing(surface, data, stream):
    assert read_answer(surface, [data], stream=stream, content=True).id is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEYS = st.sampled_from(["messages", "input", "system", "contents", "choices", "output", "content", "candidates"])


@given(st.sampled_from(["chat", "responses", "messages", "gemini"]), st.dictionaries(KEYS, JSON))
def test_json_of_another_shape_is_survived(surface, body):
    assert isinstance(read_answer(surface, [json.dumps(body).encode()], stream=False, content=True), Answered)
    input_messages(body)


def test_a_conversation_of_chat_is_told():
    system, messages = input_messages(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "1+2?"}, {"type": "image_url", "image_url": {"url": "x"}}],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "t1", "function": {"name": "add", "arguments": '{"a":1}'}}],
                },
                {"role": "tool", "tool_call_id": "t1", "content": "3"},
            ]
        }
    )
    assert system == []
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[1]["parts"] == [{"type": "text", "content": "1+2?"}, {"type": "image_url"}]
    assert messages[2]["parts"] == [ADD]
    assert messages[3]["parts"] == [{"type": "tool_call_response", "id": "t1", "response": "3", "result": "3"}]


def test_a_conversation_of_messages_and_of_responses_is_told():
    answer = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "3"}]}
    system, messages = input_messages(
        {"system": [{"type": "text", "text": "Be brief."}], "messages": [{"role": "user", "content": [answer]}]}
    )
    assert system == [{"type": "text", "content": "Be brief."}]
    assert messages[0]["parts"] == [{"type": "tool_call_response", "id": "t1", "response": "3", "result": "3"}]

    system, messages = input_messages({"instructions": "Be brief.", "input": "Hi"})
    assert system == [{"type": "text", "content": "Be brief."}]
    assert messages == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]

    _, messages = input_messages({"input": [{"type": "function_call_output", "call_id": "t1", "output": "3"}]})
    assert messages[0]["role"] == "tool"


def test_a_conversation_of_gemini_is_told():
    system, messages = input_messages(
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [{"role": "model", "parts": [{"text": "3"}]}, {"parts": [{"inlineData": {"data": "…"}}]}],
        }
    )
    assert system == [{"type": "text", "content": "Be brief."}]
    assert messages[0] == {"role": "assistant", "parts": [{"type": "text", "content": "3"}]}
    assert messages[1] == {"role": "user", "parts": [{"type": "inlineData"}]}


@given(st.lists(st.text(max_size=50), max_size=6), st.integers(0, 300))
def test_content_never_takes_more_room_than_it_has_and_stays_json(texts, room):
    items = [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts]
    encoded, is_whole = fit(items, max(room, 2))

    assert len(encoded.encode()) <= max(room, 2)
    assert is_whole == (json.loads(encoded) == items)


def test_what_just_fits_is_whole():
    items = [{"type": "text", "content": "x"}]
    size = len(json.dumps(items, separators=(",", ":")))

    assert fit(items, size) == ('[{"type":"text","content":"x"}]', True)
    assert fit(items, size - 1)[1] is False
