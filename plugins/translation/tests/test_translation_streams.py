"""Streams: however they are cut into pieces, and wherever they end, they say the same and nothing more."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl.api.sse import Framer
from aexl_translation.answer import Answer, Closed, Delta, Event, Finished, Head, Opened
from aexl_translation.codecs import CODECS
from aexl_translation.custom import Restorer
from aexl_translation.opaque import seal
from aexl_translation.parts import MAX_PARTS, Broken, Parts
from aexl_translation.pivot import Reasoning, Text, Tool, ToolCall
from aexl_translation.whole import events_of

DIALECTS = list(CODECS)
few = settings(max_examples=40)


def translated(pieces: list[bytes], case, asked) -> bytes:
    """Return what a client gets of a stream."""
    framer, reader, writer = Framer(), CODECS[case.into].reader(), CODECS[case.origin].writer(asked)
    return b"".join(
        writer.write(reader.read(frame.data)) for piece in pieces for frame in framer.feed(piece) if frame.data
    )


def test_a_stream_says_the_same_however_it_is_cut_into_pieces(stream_case, make_asked) -> None:
    stream = stream_case.read("upstream.sse")
    whole = translated([stream], stream_case, make_asked())
    for size in (1, 2, 3, 7, 64, 1000):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert translated(pieces, stream_case, make_asked()) == whole


def test_a_stream_that_is_cut_is_the_beginning_of_itself_in_whole_events(stream_case, make_asked) -> None:
    stream = stream_case.read("upstream.sse")
    whole = translated([stream], stream_case, make_asked())
    terminal = whole[:-2].rpartition(b"\n\n")[2]
    for end in range(0, len(stream) - 2, 5):
        cut = translated([stream[:end]], stream_case, make_asked())
        assert whole.startswith(cut)
        assert not cut or cut.endswith(b"\n\n")
        assert stream_case.into == "gemini" or terminal not in cut


names = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
objects = st.dictionaries(names, st.one_of(texts, st.integers(-(2**53), 2**53), st.booleans()), max_size=3).map(
    lambda value: json.dumps(value, ensure_ascii=False)
)


@st.composite
def answers(draw) -> Answer:
    parts: list[Text | Reasoning | ToolCall] = []
    if draw(st.booleans()):
        parts.append(Reasoning("messages", draw(texts), draw(st.sampled_from(["sig", "s.i.g"]))))
    if draw(st.booleans()):
        parts.append(Text(draw(texts)))
    for number in range(draw(st.integers(0, 3))):
        parts.append(ToolCall(f"call_{number}", draw(names), draw(objects)))
    stop = "tool" if any(isinstance(part, ToolCall) for part in parts) else draw(st.sampled_from(["end", "length"]))
    return Answer(Head("id_1", "model-1"), parts, stop)


def said(answer: Answer) -> list[tuple[object, ...]]:
    """Return what an answer says, with reasoning as the client's dialect carries it."""
    found: list[tuple[object, ...]] = []
    for part in answer.parts:
        if isinstance(part, ToolCall):
            found.append(("call", part.id, part.name, json.loads(part.arguments)))
        elif isinstance(part, Reasoning):
            found.append(("thought", part.text, part.opaque if part.opaque.startswith("aexl.") else seal(part)))
        else:
            found.append(("text", part.text))
    return [*found, ("stop", answer.stop)]


def without_seals(parts: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [part[:2] if part[0] == "thought" else part for part in parts]


@pytest.mark.parametrize("dialect", DIALECTS)
@few
@given(answer=answers())
def test_a_whole_answer_is_the_same_after_it_was_written_and_read(dialect, answer) -> None:
    from aexl_translation.asked import Asked
    from aexl_translation.names import Names

    asked = Asked(id="1", model="m", now=1, wants_usage=False, names=Names([], custom=True), usage=lambda: None)
    expected = said(answer)
    got = said(CODECS[dialect].read_answer(CODECS[dialect].write_answer(answer, asked)))

    # Chat Completions has a place for what was thought, but its own answers have no signatures.
    assert (without_seals(got) if dialect == "chat" else got) == (
        without_seals(expected) if dialect == "chat" else expected
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@few
@given(answer=answers(), size=st.integers(1, 9))
def test_a_stream_is_the_same_after_it_was_written_and_read(dialect, answer, size) -> None:
    from aexl_translation.asked import Asked
    from aexl_translation.names import Names

    asked = Asked(id="1", model="m", now=1, wants_usage=True, names=Names([], custom=True), usage=lambda: None)
    expected = said(answer)
    writer, reader, framer = CODECS[dialect].writer(asked), CODECS[dialect].reader(), Framer()
    stream = b"".join(writer.write([event]) for event in split(events_of(answer), size))
    events = [event for frame in framer.feed(stream) if frame.data for event in reader.read(frame.data)]
    events += reader.close()
    got = said(gathered(events))

    assert (without_seals(got) if dialect == "chat" else got) == (
        without_seals(expected) if dialect == "chat" else expected
    )


def split(events: list[Event], size: int) -> list[Event]:
    """Return the events with their texts in pieces."""
    made: list[Event] = []
    for event in events:
        if isinstance(event, Delta):
            made += [Delta(event.text[start : start + size]) for start in range(0, len(event.text), size)]
        else:
            made.append(event)
    return made


def gathered(events: list[Event]) -> Answer:
    """Return the answer that events say; the pieces of a part are the part."""
    parts, texts, stop = [], "", "failed"
    for event in events:
        if isinstance(event, Opened):
            texts = ""
        elif isinstance(event, Delta):
            texts += event.text
        elif isinstance(event, Closed):
            whole = event.part.arguments if isinstance(event.part, ToolCall) else event.part.text
            assert texts == whole
            parts.append(event.part)
        elif isinstance(event, Finished):
            stop = event.stop
    return Answer(Head(), parts, stop)


def fragment(index: int, arguments: str, **first: object) -> bytes:
    call = {"index": index, **first, "function": {"arguments": arguments, **({"name": "f"} if first else {})}}
    return json.dumps({"choices": [{"delta": {"tool_calls": [call]}}]}).encode()


def test_calls_whose_pieces_are_mixed_come_one_after_the_other() -> None:
    reader = CODECS["chat"].reader()
    fragments = [
        fragment(0, '{"a"', id="c0"), fragment(1, '{"b"', id="c1"), fragment(0, ":1}"), fragment(2, "{}", id="c2"),
        fragment(1, ":2}"), b'{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}', b"[DONE]",
    ]  # fmt: skip
    answer = gathered([event for data in fragments for event in reader.read(data)])

    assert [(part.id, part.arguments) for part in answer.parts] == [("c0", '{"a":1}'), ("c1", '{"b":2}'), ("c2", "{}")]
    assert answer.stop == "tool"


def test_calls_of_servers_that_give_them_no_index_are_told_apart_by_their_ids() -> None:
    reader = CODECS["chat"].reader()
    calls = [{"id": f"c{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(2)]
    data = json.dumps({"choices": [{"delta": {"tool_calls": calls}, "finish_reason": "stop"}]}).encode()
    answer = gathered([*reader.read(data), *reader.read(b"[DONE]")])

    assert [part.id for part in answer.parts] == ["c0", "c1"]
    assert answer.stop == "tool"


def test_text_that_goes_on_after_a_call_is_a_part_of_its_own() -> None:
    parts = Parts()
    parts.text("a")
    parts.open(0, ToolCall("c", "f"))
    parts.add(0, "{}")
    parts.text("b")
    parts.finish()
    assert [type(event.part) for event in parts.take() if isinstance(event, Closed)] == [Text, ToolCall, Text]


def test_an_answer_may_be_as_long_as_the_limit_and_no_longer() -> None:
    parts = Parts()
    parts.text("x" * MAX_PARTS)
    with pytest.raises(Broken, match="more than"):
        parts.text("x")


def test_a_piece_of_a_part_that_has_ended_is_the_providers_mistake() -> None:
    parts = Parts()
    parts.open(0, ToolCall("c", "f"))
    parts.close(0)
    with pytest.raises(Broken, match="ended"):
        parts.add(0, "{}")


@given(text=texts, size=st.integers(1, 5))
def test_free_text_comes_out_of_a_functions_arguments_as_it_was(text, size) -> None:
    from aexl_translation.names import Names

    names_of = Names([Tool("note", kind="custom", namespace="desk")], custom=False)
    arguments = json.dumps({"input": text})
    events = split(events_of(Answer(Head(), [ToolCall("c", "desk__note", arguments)], "tool")), size)
    answer = gathered(Restorer(names_of).restore(events))

    [call] = answer.parts
    assert (call.name, call.namespace, call.kind, call.arguments) == ("note", "desk", "custom", text)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.binary(max_size=40))
def test_no_event_brings_a_reader_down(dialect, data) -> None:
    with suppress(Broken):
        CODECS[dialect].reader().read(data)
    with suppress(Broken):
        CODECS[dialect].read_answer(data)
    CODECS[dialect].read_error(data)
