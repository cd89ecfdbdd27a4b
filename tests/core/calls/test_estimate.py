"""Bounding the output of an answer without usage."""

from __future__ import annotations

import msgspec

from aexl.core.calls.estimate import bound_output


def sse(*events):
    return b"".join(b"data: " + (e if isinstance(e, bytes) else msgspec.json.encode(e)) + b"\n\n" for e in events)


def test_only_generated_text_counts():
    chunk = {"id": "chatcmpl-123", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "héllo"}}]}

    # "assistant" stands below "delta" and counts: a bound may be too high, never too low
    assert bound_output([sse(chunk, b"[DONE]")]) == len("héllo".encode()) + len("assistant")


def test_tool_calls_count_by_name_and_arguments():
    call = {"index": 0, "function": {"name": "add", "arguments": '{"a":1}'}}

    assert bound_output([sse({"choices": [{"tool_calls": [call]}]})]) == len("add") + len('{"a":1}')


def test_an_event_cut_half_way_counts_whole():
    whole = sse({"choices": [{"text": "abc"}]})

    assert bound_output([whole, b'data: {"choices":[{"te']) == 3 + len(b'{"choices":[{"te')


def test_events_that_repeat_what_deltas_said_do_not_count():
    delta = {"type": "response.output_text.delta", "text": "abc"}
    done = {"type": "response.output_text.done", "text": "abc"}

    assert bound_output([sse(delta, done)]) == 3


def test_a_json_answer_is_read_whole_wherever_it_was_split():
    body = msgspec.json.encode({"choices": [{"message": {"content": "four"}}]})

    assert bound_output([body[:9], body[9:]]) == 4


def test_nothing_is_nothing():
    assert bound_output([]) == 0


def test_geminis_function_calls_and_code_count():
    call = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"ab","args":{"x":"cd"}}},'
    code = b'{"executableCode":{"language":"PYTHON","code":"efg"}}]}}]}'
    assert bound_output([call + code]) == len("abcdPYTHONefg")  # all of a content counts


def test_the_beginning_of_an_answer_that_is_no_stream_counts_whole():
    data = b'[{"candidates":[{"content":{"parts":[{"text":"Hel'
    assert bound_output([data]) == len(data)
