"""The wrapped provider: a provider like any other, in every dialect."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import trio

from aexl.api import Call, Provider, Reply
from aexl.errors import ProviderFailed
from aexl.testing.factories import CHEAP, make_call, make_target
from aexl.testing.host import FakeHost
from aexl.testing.provider import EVENTS, JSON, FakeProvider, FakeReply, ProviderConformance, read_all
from aexl_translation.provider import TranslatingProvider

HELLO = [{"role": "user", "content": "Hello"}]
MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hello"}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":20}}'
)


def wrapped(inner: FakeProvider) -> TranslatingProvider:
    return TranslatingProvider(inner, FakeHost(Path("/nowhere")))


class TestNative(ProviderConformance):
    """A provider that speaks the caller's dialect is not in the way."""

    def make_provider(self) -> Provider:
        return wrapped(FakeProvider())

    def scripted(self, reply: FakeReply) -> Provider | None:
        return wrapped(FakeProvider(reply))


class TestTranslated(ProviderConformance):
    """One that does not is translated, and keeps every promise but that bodies are the provider's own."""

    call = make_call({"model": "m", "max_tokens": 9, "messages": HELLO}, surface="messages", output_limit=9)

    def make_provider(self) -> Provider:
        return wrapped(FakeProvider(surfaces=frozenset({"chat"})))

    def scripted(self, reply: FakeReply) -> Provider | None:
        return wrapped(FakeProvider(reply, surfaces=frozenset({"chat"})))

    async def test_an_error_status_is_an_answer_and_its_body_passes_exactly(self) -> None:
        error = b'{"error": {"message": "slow down", "type": "requests", "param": null, "code": "rate_limit_exceeded"}}'
        reply = FakeReply(status=429, headers=(*JSON, (b"retry-after", b"7")), chunks=(error,), usage=None)
        async with self._scripted(reply).open(self.call, self.target) as answer:
            assert answer.status == 429
            assert (b"retry-after", b"7") in answer.headers
            assert json.loads(await read_all(answer)) == {
                "type": "error",
                "error": {
                    "type": "rate_limit_error",
                    "message": "slow down",
                    "details": {"error_code": "rate_limit_exceeded"},
                },
            }
            assert answer.usage is None


async def ask(provider: Provider, body: dict[str, object], surface: str, **changes: object) -> tuple[Reply, bytes]:
    call = make_call({"model": "m", **body}, surface=surface, **changes)
    async with provider.open(call, make_target(model=str(changes.pop("target", "m")))) as reply:
        return reply, await read_all(reply)


def error_of(body: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(body)["error"]
    return found


def test_every_dialect_is_spoken_beside_what_is_not_translated() -> None:
    inner = FakeProvider(surfaces=frozenset({"messages", "count"}))
    assert wrapped(inner).surfaces == {"messages", "count", "chat", "responses", "gemini"}


def test_a_provider_without_a_dialect_stays_as_it_is() -> None:
    assert wrapped(FakeProvider(surfaces=frozenset({"embeddings"}))).surfaces == {"embeddings"}


def test_off_leaves_every_provider_as_it_is(make_provider) -> None:
    inner = FakeProvider(surfaces=frozenset({"chat", "count", "stored"}))
    assert make_provider(inner, off=True).surfaces == inner.surfaces


async def test_a_native_call_reaches_the_provider_as_the_very_same_object() -> None:
    inner = FakeProvider(surfaces=frozenset({"chat"}))
    call, target = make_call(), make_target()
    async with wrapped(inner).open(call, target):
        pass
    assert inner.calls[0] is call
    assert inner.targets[0] is target


@pytest.mark.parametrize(("settings", "into"), [({}, "chat"), ({"prefer": {"fake": "responses"}}, "responses")])
async def test_what_a_provider_is_asked_in_can_be_chosen(make_provider, settings, into) -> None:
    inner = FakeProvider(surfaces=frozenset({"chat", "responses"}))
    provider = make_provider(inner, **settings)
    async with provider.open(make_call({"model": "m", "messages": HELLO}, surface="messages"), make_target()):
        pass
    assert inner.calls[0].surface == into


async def test_what_a_server_really_speaks_can_be_narrowed(make_provider) -> None:
    inner = FakeProvider(surfaces=frozenset({"chat", "responses", "count", "stored"}))
    provider = make_provider(inner, speaks={"fake": ("chat",)})

    assert provider.surfaces == {"chat", "responses", "messages", "gemini", "count"}
    _, body = await ask(provider, {"input": "Hello"}, "responses")
    assert inner.calls[0].path == "/chat/completions"
    assert json.loads(body)["output"][0]["content"][0]["text"] == "Hello"


async def test_the_calls_headers_that_belong_to_its_dialect_stay_behind() -> None:
    inner = FakeProvider(surfaces=frozenset({"chat"}))
    headers = ((b"anthropic-beta", b"x"), (b"x-stainless-os", b"Linux"), (b"user-agent", b"me"), (b"x-app", b"cli"))
    await ask(wrapped(inner), {"messages": HELLO}, "messages", headers=headers, query="beta=true")

    assert dict(inner.calls[0].headers) == {b"content-type": b"application/json", b"user-agent": b"me"}
    assert inner.calls[0].query == ""


async def test_the_output_limit_is_left_to_the_provider_to_write() -> None:
    """It knows by which key its server takes it, and the hold may have lowered it."""
    inner = FakeProvider(surfaces=frozenset({"chat"}))
    call = make_call({"model": "m", "max_tokens": 500, "messages": HELLO}, surface="messages", output_limit=500)
    async with wrapped(inner).open(call, make_target(output_limit=200)):
        pass

    assert "max_tokens" not in inner.calls[0].body
    assert inner.calls[0].output_key == "max_completion_tokens"
    assert inner.targets[0].output_limit == 200


@pytest.mark.parametrize(("bound", "status"), [(8192, 200), (None, 400)])
async def test_messages_gets_the_bound_of_the_hold_where_nobody_names_a_limit(bound, status) -> None:
    inner = FakeProvider(FakeReply(chunks=(MESSAGE,)), surfaces=frozenset({"messages"}))
    async with wrapped(inner).open(make_call(), make_target(output_bound=bound)) as reply:
        body = await read_all(reply)

    assert reply.status == status
    if bound is None:
        assert "limits.output" in str(error_of(body)["message"])
    else:
        assert inner.targets[0].output_limit == bound


async def test_a_model_with_dearer_tiers_is_asked_for_the_ordinary_one() -> None:
    inner = FakeProvider(surfaces=frozenset({"chat"}))
    dear = msgspec.structs.replace(CHEAP, service={"priority": CHEAP.rates})
    call = make_call({"model": "m", "messages": HELLO}, surface="messages")
    async with wrapped(inner).open(call, make_target(price=dear)):
        pass
    assert inner.calls[0].body.get("service_tier") == "default"


async def test_a_refusal_names_the_field_in_the_callers_dialect_and_sends_nothing() -> None:
    inner = FakeProvider(surfaces=frozenset({"messages"}))
    reply, body = await ask(wrapped(inner), {"messages": HELLO, "logit_bias": {"1": 2}}, "chat", output_limit=9)

    assert (reply.status, reply.usage, inner.calls) == (400, None, [])
    assert (b"x-should-retry", b"false") in reply.headers
    error = error_of(body)
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "untranslatable", "logit_bias")
    assert "tokens, which differ from model to model" in str(error["message"])


@pytest.mark.parametrize(("unknown", "status"), [("refuse", 400), ("ignore", 200)])
async def test_a_field_that_nobody_knows_is_refused_unless_it_may_be_left_out(make_provider, unknown, status) -> None:
    inner = FakeProvider(surfaces=frozenset({"chat"}))
    reply, _ = await ask(make_provider(inner, unknown=unknown), {"messages": HELLO, "novel": 1}, "messages")
    assert reply.status == status


@pytest.mark.parametrize(("model", "setting", "sent"), [
    ("gpt-5.5", None, True), ("llama-3", None, False), ("llama-3", True, True), ("gpt-5.5", False, False),
])  # fmt: skip
async def test_an_effort_is_told_to_models_that_are_known_to_take_it(make_provider, model, setting, sent) -> None:
    inner = FakeProvider(surfaces=frozenset({"chat"}))
    provider = make_provider(inner, effort={} if setting is None else {"fake": setting})
    call = make_call({"model": "m", "input": "Hello", "reasoning": {"effort": "low"}}, surface="responses")
    async with provider.open(call, make_target(model=model)):
        pass
    assert ("reasoning_effort" in inner.calls[0].body) is sent


async def test_overloaded_is_a_503_for_others() -> None:
    error = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    inner = FakeProvider(FakeReply(status=529, chunks=(error,)), surfaces=frozenset({"messages"}))
    reply, body = await ask(wrapped(inner), {"messages": HELLO}, "chat", output_limit=9)

    assert reply.status == 503
    assert error_of(body) == {"message": "Overloaded", "type": "server_error", "param": None, "code": None}


async def test_an_error_that_is_no_json_is_said_by_its_status() -> None:
    inner = FakeProvider(FakeReply(status=502, chunks=(b"<html>",)), surfaces=frozenset({"chat"}))
    _, body = await ask(wrapped(inner), {"messages": HELLO}, "messages")
    assert error_of(body)["message"] == "the provider 'fake' answered with status 502"


async def test_an_answer_that_is_none_of_the_dialect_is_the_providers_failure() -> None:
    inner = FakeProvider(FakeReply(chunks=(b'{"hello": 1}',)), surfaces=frozenset({"chat"}))
    with pytest.raises(ProviderFailed, match="no chat completion") as caught:
        await ask(wrapped(inner), {"messages": HELLO}, "messages")
    assert (caught.value.code, caught.value.charged) == ("upstream_protocol", "unknown")


async def test_a_provider_that_does_not_stream_is_streamed_for() -> None:
    inner = FakeProvider(surfaces=frozenset({"chat"}))
    reply, body = await ask(wrapped(inner), {"messages": HELLO, "stream": True}, "messages", stream=True)

    assert (b"content-type", b"text/event-stream; charset=utf-8") in reply.headers
    assert b'"text":"Hello"' in body
    assert body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


async def test_an_error_in_the_middle_of_a_stream_is_one_in_the_callers_dialect() -> None:
    events = b'data: {"choices":[{"delta":{"content":"He"}}]}\n\ndata: {"error":{"message":"broken","type":"x"}}\n\n'
    inner = FakeProvider(FakeReply(headers=EVENTS, chunks=(events,), usage=None), surfaces=frozenset({"chat"}))
    _, messages = await ask(wrapped(inner), {"messages": HELLO}, "messages", stream=True)
    _, responses = await ask(wrapped(inner), {"input": "Hello"}, "responses", stream=True)

    assert messages.endswith(
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"broken"}}\n\n'
    )
    assert b"event: response.failed" in responses.split(b"\n\n")[-2]


async def test_a_stream_that_just_stops_has_no_invented_end() -> None:
    events = b'data: {"choices":[{"delta":{"content":"He"}}]}\n\n'
    inner = FakeProvider(
        FakeReply(headers=EVENTS, chunks=(events,), usage=None, finished=False), surfaces=frozenset({"chat"})
    )
    reply, body = await ask(wrapped(inner), {"messages": HELLO}, "messages", stream=True)

    assert b"He" in body
    assert b"message_stop" not in body
    assert not reply.finished


async def test_an_event_is_passed_on_before_the_next_arrives(autojump_clock) -> None:
    later = trio.Event()
    chunks = tuple(b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % n for n in range(2))
    reply = FakeReply(headers=EVENTS, chunks=chunks, chunk_waits={1: later})
    inner = FakeProvider(reply, surfaces=frozenset({"chat"}))
    call = make_call({"model": "m", "messages": HELLO}, surface="messages", stream=True)
    async with wrapped(inner).open(call, make_target()) as answer:
        assert b'"text":"0"' in await answer.chunks.receive()
        with trio.move_on_after(1) as scope:
            await answer.chunks.receive()
        assert scope.cancelled_caught  # nothing was read ahead


async def test_usage_id_and_end_are_the_inner_replys_word(usage) -> None:
    reply = FakeReply(usage=usage, upstream_id="up_1", finished=True)
    inner = FakeProvider(reply, surfaces=frozenset({"chat"}))
    answer, body = await ask(wrapped(inner), {"messages": HELLO}, "messages")

    assert (answer.usage, answer.upstream_id, answer.finished) == (usage, "up_1", True)
    assert json.loads(body)["usage"]["cache_read_input_tokens"] == usage.cached_input_tokens


@pytest.mark.parametrize(("header", "other"), [(b"x-request-id", b"request-id"), (b"request-id", b"x-request-id")])
async def test_the_providers_request_id_stands_under_both_names(header, other) -> None:
    inner = FakeProvider(FakeReply(headers=(*JSON, (header, b"req_1"))), surfaces=frozenset({"chat"}))
    reply, _ = await ask(wrapped(inner), {"messages": HELLO}, "messages")
    assert dict(reply.headers)[other] == b"req_1"


def count(path: str, body: dict[str, object]) -> Call:
    return make_call({"model": "m", **body}, surface="count", path=path)


async def test_tokens_are_counted_in_the_dialect_in_which_the_provider_counts() -> None:
    inner = FakeProvider(
        FakeReply(chunks=(b'{"input_tokens": 7}',)), surfaces=frozenset({"chat", "responses", "count"})
    )
    call = count("/messages/count_tokens", {"messages": HELLO, "system": "Be brief."})
    async with wrapped(inner).open(call, make_target()) as reply:
        assert await read_all(reply) == b'{"input_tokens":7}'
    assert inner.calls[0].path == "/responses/input_tokens"
    assert json.loads(inner.calls[0].body.data) == {
        "model": "test-model",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}],
    }


async def test_a_count_passes_as_it_is_where_the_provider_speaks_its_dialect() -> None:
    inner = FakeProvider(surfaces=frozenset({"messages", "count"}))
    call = count("/messages/count_tokens", {"messages": HELLO})
    async with wrapped(inner).open(call, make_target()):
        pass
    assert inner.calls[0] is call


async def test_a_count_is_refused_where_the_provider_has_none(make_provider) -> None:
    inner = FakeProvider(surfaces=frozenset({"chat", "responses", "count"}))
    provider = make_provider(inner, speaks={"fake": ("chat",)})
    async with provider.open(count("/messages/count_tokens", {"messages": HELLO}), make_target()) as reply:
        body = await read_all(reply)
    assert reply.status == 400
    assert "does not count tokens" in str(error_of(body)["message"])


COUNTS = {
    "responses": (
        "/responses/input_tokens",
        {"input": "Hello"},
        {"object": "response.input_tokens", "input_tokens": 7},
    ),
    "messages": ("/messages/count_tokens", {"messages": HELLO}, {"input_tokens": 7}),
    "gemini": ("/models/m:countTokens", {"contents": [{"parts": [{"text": "Hello"}]}]}, {"totalTokens": 7}),
}


@pytest.mark.parametrize("origin", list(COUNTS))
@pytest.mark.parametrize("into", list(COUNTS))
async def test_each_dialect_counts_in_every_other(origin, into) -> None:
    path, body, said = COUNTS[origin]
    answer = json.dumps(COUNTS[into][2]).encode()
    inner = FakeProvider(FakeReply(chunks=(answer,)), surfaces=frozenset({into, "count"}))
    call = make_call(body, surface="count", path=path)
    async with wrapped(inner).open(call, make_target(model="m")) as reply:
        assert json.loads(await read_all(reply)) == said
    assert inner.calls[0].path == COUNTS[into][0]


async def test_a_count_without_a_number_is_the_providers_failure() -> None:
    inner = FakeProvider(FakeReply(chunks=(b"{}",)), surfaces=frozenset({"messages", "count"}))
    call = make_call({"input": "Hello"}, surface="count", path="/responses/input_tokens")
    async with wrapped(inner).open(call, make_target()) as reply:
        with pytest.raises(ProviderFailed, match="no number"):
            await read_all(reply)


async def test_a_native_target_after_a_translated_one_gets_the_body_byte_for_byte() -> None:
    """Reading a body to translate it leaves it as it came, so that a fallback can pass it on."""
    data = b'{"messages" : [{"role":"user", "content":"Hello"}], "model":"m", "seed": 1.0}'
    call = make_call(data)
    async with wrapped(FakeProvider(surfaces=frozenset({"gemini"}))).open(call, make_target()):
        pass
    assert call.body.encode() == make_call(data).body.encode()
