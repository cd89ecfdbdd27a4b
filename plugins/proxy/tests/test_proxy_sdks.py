"""The providers' own SDKs, unmodified, against the applications of the proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest
import trio
from pydantic import BaseModel

from aexl.errors import ProviderFailed
from aexl.testing.answers import FakeAnswer, make_booked

# The SDKs leave their generators to the garbage collector when a stream ends early.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")

SSE = ((b"content-type", b"text/event-stream; charset=utf-8"),)
HI: Any = [{"role": "user", "content": "Hi"}]


class Wire(httpx2.AsyncBaseTransport):
    """Carries an SDK's requests to the proxy."""

    def __init__(self, proxy: Any) -> None:
        self.proxy = proxy
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        got = await self.proxy.request(
            request.method,
            request.url.path,
            await request.aread(),
            headers=[(name.lower(), value) for name, value in request.headers.raw],
            query=request.url.query.decode(),
        )
        return httpx2.Response(got.status, headers=got.headers, stream=Pieces(got))


class Pieces(httpx2.AsyncByteStream):
    """The body as it was sent; a cut connection is one here too."""

    def __init__(self, got: Any) -> None:
        self.got = got

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.got.pieces:
            yield piece
        if self.got.cut is not None:
            raise httpx2.RemoteProtocolError("peer closed connection without sending complete message body")

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.fixture
def wire(proxy) -> Wire:
    return Wire(proxy)


@pytest.fixture
def gpt(wire: Wire) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key="aexl_1_2", base_url="http://aexl/v1", http_client=httpx2.AsyncClient(transport=wire)
    )


@pytest.fixture
def claude(wire: Wire) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(
        api_key="aexl_1_2", base_url="http://aexl/anthropic", http_client=httpx2.AsyncClient(transport=wire)
    )


def events(*values: dict[str, object] | str, named: bool = False) -> list[bytes]:
    """Return one chunk for each event, as a provider would write them."""
    chunks = []
    for value in values:
        data = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        name = f"event: {value['type']}\n" if named and isinstance(value, dict) else ""
        chunks.append(f"{name}data: {data}\n\n".encode())
    return chunks


def completion(message: dict[str, object], finish: str = "stop") -> bytes:
    return msgspec.json.encode(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        }
    )


def chunk(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": '{"city":"Rome"}', "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
    },
}

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 2},
}


class City(BaseModel):
    city: str


async def test_openai_chat(proxy, gpt: openai.AsyncOpenAI) -> None:
    proxy.script(FakeAnswer(completion({"content": "Hello"}), booked=make_booked(3000)))
    raw = await gpt.chat.completions.with_raw_response.create(model="m", messages=HI, max_tokens=5)
    assert raw.parse().choices[0].message.content == "Hello"
    assert raw.headers["x-aexl-cost-usd"] == "0.000003"
    assert proxy.call.output_limit == 5


async def test_openai_chat_as_a_stream(proxy, gpt: openai.AsyncOpenAI) -> None:
    chunks = events(
        chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop"), "[DONE]"
    )
    answer = FakeAnswer(*chunks, stream=True, headers=SSE)
    proxy.script(answer)
    stream = await gpt.chat.completions.create(model="m", messages=HI, stream=True)
    text = "".join([part.choices[0].delta.content or "" async for part in stream])
    assert text == "Hello"
    assert answer.complete


async def test_openai_tools_and_structured_output(proxy, gpt: openai.AsyncOpenAI) -> None:
    called = {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]}
    proxy.script(FakeAnswer(completion(called, "tool_calls")), FakeAnswer(completion({"content": '{"city":"Rome"}'})))
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    made = await gpt.chat.completions.create(model="m", messages=HI, tools=tools)
    assert made.choices[0].message.tool_calls[0].function.name == "f"
    parsed = await gpt.chat.completions.parse(model="m", messages=HI, response_format=City)
    assert parsed.choices[0].message.parsed == City(city="Rome")
    assert "response_format" in proxy.host.calls[1].body


async def test_openai_tools_as_a_stream(proxy, gpt: openai.AsyncOpenAI) -> None:
    first = {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]}
    more = {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":1}'}}]}
    proxy.script(
        FakeAnswer(*events(chunk(first), chunk(more), chunk({}, "tool_calls"), "[DONE]"), stream=True, headers=SSE)
    )
    async with gpt.chat.completions.stream(model="m", messages=HI) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"x":1}'


async def test_openai_responses(proxy, gpt: openai.AsyncOpenAI) -> None:
    proxy.script(FakeAnswer(msgspec.json.encode(RESPONSE)), FakeAnswer(msgspec.json.encode(RESPONSE)))
    made = await gpt.responses.create(model="m", input="Hi")
    assert made.output_text == '{"city":"Rome"}'
    parsed = await gpt.responses.parse(model="m", input="Hi", text_format=City)
    assert parsed.output_parsed == City(city="Rome")


async def test_openai_responses_as_a_stream(proxy, gpt: openai.AsyncOpenAI) -> None:
    started = {**RESPONSE, "status": "in_progress", "output": []}
    delta = {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": "Hi",
        "logprobs": [],
    }
    chunks = events(
        {"type": "response.created", "sequence_number": 0, "response": started},
        {**delta, "sequence_number": 1},
        {"type": "response.completed", "sequence_number": 2, "response": RESPONSE},
        named=True,
    )
    proxy.script(FakeAnswer(*chunks, stream=True, headers=SSE))
    stream = await gpt.responses.create(model="m", input="Hi", stream=True)
    seen = [event.type async for event in stream]
    assert seen == ["response.created", "response.output_text.delta", "response.completed"]


async def test_openai_stored_responses(proxy, executions, gpt: openai.AsyncOpenAI) -> None:
    executions.add("resp_1", "alice")
    proxy.script(*(FakeAnswer(msgspec.json.encode(RESPONSE)) for _ in range(3)))
    assert (await gpt.responses.retrieve("resp_1")).id == "resp_1"
    assert (await gpt.responses.cancel("resp_1")).id == "resp_1"
    await gpt.responses.delete("resp_1")
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve("resp_2")


async def test_openai_models(gpt: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in gpt.models.list()]
    assert listed == ["claude-a", "claude-b", "gpt-a", "openai/gpt-oss", "gpt-b"]
    assert (await gpt.models.retrieve("openai/gpt-oss")).owned_by == "fake"
    with pytest.raises(openai.NotFoundError, match="gpt-z"):
        await gpt.models.retrieve("gpt-z")


async def test_anthropic_messages(proxy, claude: anthropic.AsyncAnthropic) -> None:
    proxy.script(FakeAnswer(msgspec.json.encode(MESSAGE)), FakeAnswer(b'{"input_tokens": 7}'))
    made = await claude.messages.create(model="m", max_tokens=9, messages=HI)
    assert made.content[0].text == "Hello"
    counted = await claude.messages.count_tokens(model="m", messages=HI)
    assert counted.input_tokens == 7
    assert [call.surface for call in proxy.host.calls] == ["messages", "count"]


async def test_anthropic_messages_and_tools_as_a_stream(proxy, claude: anthropic.AsyncAnthropic) -> None:
    start = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}}
    tool = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    chunks = events(
        start,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": tool},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"x":1}'}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
        named=True,
    )
    answer = FakeAnswer(*chunks, stream=True, headers=SSE)
    proxy.script(answer)
    async with claude.messages.stream(model="m", max_tokens=9, messages=HI) as stream:
        final = await stream.get_final_message()
    assert final.content[0].text == "Hello"
    assert final.content[1].input == {"x": 1}
    assert answer.complete


async def test_anthropic_models(claude: anthropic.AsyncAnthropic) -> None:
    listed = [model.id async for model in claude.models.list(limit=2)]
    assert listed == ["claude-a", "claude-b", "gpt-a", "openai/gpt-oss", "gpt-b"], "the SDK turns the pages"
    assert (await claude.models.retrieve("claude-a")).display_name == "claude-a"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (402, openai.APIStatusError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (423, openai.APIStatusError),
    ],
)
async def test_openai_asks_once_and_raises_what_it_should(
    proxy, gpt, wire: Wire, make_refused, status: int, error
) -> None:
    proxy.script(FakeAnswer(error=make_refused(status)))
    with pytest.raises(error, match="Do something else") as caught:
        await gpt.chat.completions.create(model="m", messages=HI)
    assert caught.value.status_code == status
    assert caught.value.code == "some_rule"
    assert caught.value.request_id == "01890000-0000-7000-8000-0000000000ff"
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (402, anthropic.APIStatusError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (422, anthropic.UnprocessableEntityError),
        (423, anthropic.APIStatusError),
    ],
)
async def test_anthropic_asks_once_and_raises_what_it_should(
    proxy, claude, wire: Wire, make_refused, status: int, error
) -> None:
    proxy.script(FakeAnswer(error=make_refused(status)))
    with pytest.raises(error, match="Do something else") as caught:
        await claude.messages.create(model="m", max_tokens=9, messages=HI)
    assert caught.value.status_code == status
    assert caught.value.error_code == "some_rule"
    assert caught.value.request_id == "01890000-0000-7000-8000-0000000000ff"
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", [409, 429, 503])
async def test_an_sdk_asks_again_when_it_was_told_when(
    proxy, gpt, claude, wire: Wire, make_refused, status: int
) -> None:
    proxy.script(
        FakeAnswer(error=make_refused(status, retry_after=0.001)), FakeAnswer(completion({"content": "Hello"}))
    )
    await gpt.chat.completions.create(model="m", messages=HI)
    proxy.script(FakeAnswer(error=make_refused(status, retry_after=0.001)), FakeAnswer(msgspec.json.encode(MESSAGE)))
    await claude.messages.create(model="m", max_tokens=9, messages=HI)
    assert [call.retry_count for call in proxy.host.calls] == [0, 1, 0, 1]


async def test_a_verdict_in_a_stream_is_an_error_for_the_sdk(proxy, gpt, claude, make_refused) -> None:
    proxy.script(FakeAnswer(*events(chunk({"content": "Hel"})), make_refused(403), stream=True, headers=SSE))
    with pytest.raises(openai.APIError, match="Do something else"):
        [part async for part in await gpt.chat.completions.create(model="m", messages=HI, stream=True)]

    start = {"type": "message_start", "message": {**MESSAGE, "content": []}}
    proxy.script(FakeAnswer(*events(start, named=True), make_refused(403), stream=True, headers=SSE))
    with pytest.raises(anthropic.APIStatusError, match="Do something else"):
        async for _ in await claude.messages.create(model="m", max_tokens=9, messages=HI, stream=True):
            pass

    created = {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "output": []}}
    proxy.script(FakeAnswer(*events(created, named=True), make_refused(403), stream=True, headers=SSE))
    seen = [event async for event in await gpt.responses.create(model="m", input="Hi", stream=True)]
    assert [event.type for event in seen] == ["response.created", "response.failed"]
    assert seen[-1].response.error.message == "No. Do something else."
    assert seen[-1].sequence_number == 1


async def test_a_cut_stream_is_a_lost_connection_for_the_sdk(proxy, gpt, claude) -> None:
    cut = ProviderFailed("cut", code="upstream_cut", status=502, charged="unknown")
    proxy.script(FakeAnswer(*events(chunk({"content": "Hel"})), cut, stream=True, headers=SSE))
    with pytest.raises(openai.APIConnectionError):
        [part async for part in await gpt.chat.completions.create(model="m", messages=HI, stream=True)]
    start = {"type": "message_start", "message": {**MESSAGE, "content": []}}
    proxy.script(FakeAnswer(*events(start, named=True), cut, stream=True, headers=SSE))
    with pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)):
        async for _ in await claude.messages.create(model="m", max_tokens=9, messages=HI, stream=True):
            pass


async def test_what_is_not_governed_is_not_found_for_the_sdk(gpt: openai.AsyncOpenAI, wire: Wire) -> None:
    with pytest.raises(openai.NotFoundError, match="not governed yet"):
        await gpt.files.list()
    assert len(wire.requests) == 1
