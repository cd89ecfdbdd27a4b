import msgspec
import pytest
import trio
import trio.testing

from aexl.api import Provider, Usage
from aexl.errors import ConfigError
from aexl.testing.factories import make_call, make_target
from aexl.testing.provider import ProviderConformance, read_all
from aexl_echo.provider import EchoProvider, EchoType

TOOLS = {
    "chat": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    "responses": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}],
    "messages": [{"name": "look", "input_schema": {"type": "object"}}],
}


class TestEchoConforms(ProviderConformance):
    def make_provider(self) -> Provider:
        return EchoProvider("echo")


class TestStreamingEchoConforms(ProviderConformance):
    call = make_call(stream=True)

    def make_provider(self) -> Provider:
        return EchoProvider("echo")


def body(surface: str, text: str, *, tools: bool = False, **more: object) -> dict[str, object]:
    said = [{"role": "user", "content": text}]
    content = {"input": said} if surface == "responses" else {"messages": said}
    return {"model": "echo", **content, **({"tools": TOOLS[surface]} if tools else {}), **more}


async def ask(
    surface: str, text: str, *, tools: bool = False, more: dict[str, object] | None = None, **changes: object
):
    call = make_call(body(surface, text, tools=tools, **(more or {})), surface=surface, model="echo", **changes)
    async with EchoProvider("echo").open(call, make_target()) as reply:
        data = await read_all(reply)
        assert reply.finished
        return data, reply.usage


async def ask_json(surface: str, text: str, **changes: object):
    data, usage = await ask(surface, text, **changes)
    return msgspec.json.decode(data), usage


async def test_chat_has_the_shape_the_openai_sdk_knows() -> None:
    from openai.types.chat import ChatCompletion

    data, usage = await ask("chat", "Hello there, world", choices=2)
    answer = ChatCompletion.model_validate_json(data, strict=True)
    assert [choice.message.content for choice in answer.choices] == ["Hello there, world"] * 2
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (usage.input_tokens, 6)
    assert usage.output_tokens == 6


async def test_responses_have_the_shape_the_openai_sdk_knows() -> None:
    from openai.types.responses import Response

    data, usage = await ask("responses", "Hello there, world")
    answer = Response.model_validate_json(data)
    assert (answer.output_text, answer.status) == ("Hello there, world", "completed")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (usage.input_tokens, 3)


async def test_messages_have_the_shape_the_anthropic_sdk_knows() -> None:
    from anthropic.types import Message

    data, usage = await ask("messages", "Hello there, world")
    answer = Message.model_validate_json(data)
    assert (answer.content[0].text, answer.stop_reason) == ("Hello there, world", "end_turn")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (usage.input_tokens, 3)


@pytest.mark.parametrize(
    ("surface", "read"),
    [
        ("chat", lambda a: (a["choices"][0]["message"]["content"], a["choices"][0]["finish_reason"])),
        ("responses", lambda a: (a["output"][0]["content"][0]["text"], a["incomplete_details"]["reason"])),
        ("messages", lambda a: (a["content"][0]["text"], a["stop_reason"])),
    ],
)
async def test_the_output_limit_cuts_the_answer_short(surface: str, read) -> None:
    answer, usage = await ask_json(surface, "one two three", output_limit=2)
    assert read(answer) in {("one two", "length"), ("one two", "max_output_tokens"), ("one two", "max_tokens")}
    assert usage.output_tokens == 2


async def test_the_output_limit_that_the_host_sends_wins() -> None:
    call = make_call(body("chat", "one two three"), output_limit=3)
    async with EchoProvider("echo").open(call, make_target(output_limit=1)) as reply:
        assert reply.usage.output_tokens == 1


@pytest.mark.parametrize("surface", ["chat", "responses", "messages"])
async def test_an_answer_that_just_fits_is_whole(surface: str) -> None:
    answer, _ = await ask_json(surface, "one two three", output_limit=3)
    assert "length" not in str(answer)
    assert "max_" not in str(answer).replace("max_output_tokens': None", "")


@pytest.mark.parametrize("surface", ["chat", "responses", "messages"])
async def test_a_call_is_answered_with_a_call_of_an_offered_tool(surface: str) -> None:
    answer, _ = await ask_json(surface, 'call look {"at": "the moon"}', tools=True)
    match surface:
        case "chat":
            choice = answer["choices"][0]
            assert choice["finish_reason"] == "tool_calls"
            function = choice["message"]["tool_calls"][0]["function"]
            assert function == {"name": "look", "arguments": '{"at": "the moon"}'}
        case "responses":
            item = answer["output"][0]
            assert (item["type"], item["name"], item["arguments"]) == ("function_call", "look", '{"at": "the moon"}')
        case "messages":
            assert answer["stop_reason"] == "tool_use"
            assert answer["content"][0]["input"] == {"at": "the moon"}


@pytest.mark.parametrize("text", ["call other {}", "call look {", "call look []", "please call look {}"])
async def test_what_is_no_call_of_an_offered_tool_is_said_back(text: str) -> None:
    answer, _ = await ask_json("chat", text, tools=True)
    assert answer["choices"][0]["message"]["content"] == text


@pytest.mark.parametrize(
    ("surface", "messages"),
    [
        ("chat", [{"role": "tool", "tool_call_id": "c", "content": "call look {}"}]),
        ("messages", [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "call look {}"}]}]),
        ("messages", [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "call look {}"}]}]}]),
        ("responses", [{"type": "function_call_output", "call_id": "c", "output": "call look {}"}]),
    ],
)  # fmt: skip
async def test_a_tools_result_is_said_back_and_ends_the_loop(surface: str, messages: list[object]) -> None:
    key = "input" if surface == "responses" else "messages"
    answer, _ = await ask_json(surface, "", tools=True, more={key: messages})
    assert '"call look {}"' in msgspec.json.encode(answer).decode()
    assert "tool_calls" not in str(answer).replace("parallel_tool_calls", "")


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize(
    ("text", "tools"),
    [("Hello there, world", False), ('call look {"at": "the moon"}', True), ("one two three four", False)],
)
async def test_a_chat_stream_is_what_the_sdk_reads(text: str, tools: bool, include: bool) -> None:
    from openai.types.chat import ChatCompletionChunk

    more = {"stream_options": {"include_usage": True}} if include else {}
    data, usage = await ask("chat", text, tools=tools, stream=True, output_limit=3, more=more)
    assert data.endswith(b"\n\ndata: [DONE]\n\n")
    lines = [line.removeprefix(b"data: ") for line in data.split(b"\n\n")[:-2]]
    chunks = [ChatCompletionChunk.model_validate_json(line, strict=True) for line in lines]
    assert len({chunk.id for chunk in chunks}) == len({chunk.created for chunk in chunks}) == 1
    assert all((b'"usage":null' in line) == include for line in lines[:-1])
    if include:
        last = chunks.pop()
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.completion_tokens == usage.output_tokens
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks[:-1])
    if tools:
        calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
        assert [call.function.name for call in calls] == ["look", *[None] * (len(calls) - 1)]
        assert "".join(call.function.arguments for call in calls) == '{"at": "the moon"}'
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
    else:
        words = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert words == " ".join(text.split(" ")[:3])
        assert chunks[-1].choices[0].finish_reason == ("length" if "four" in text else "stop")


def events(data: bytes) -> list[tuple[str, bytes]]:
    found = []
    for event in data.removesuffix(b"\n\n").split(b"\n\n"):
        name, line = event.split(b"\n")
        found.append((name.removeprefix(b"event: ").decode(), line.removeprefix(b"data: ")))
    return found


@pytest.mark.parametrize(("text", "tools"), [("Hello there, world", False), ('call look {"at": "the moon"}', True)])
async def test_a_response_stream_is_what_the_sdk_reads(text: str, tools: bool) -> None:
    from openai.types.responses import ResponseStreamEvent
    from pydantic import TypeAdapter

    adapter: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
    data, usage = await ask("responses", text, tools=tools, stream=True)
    read = [(name, adapter.validate_json(line)) for name, line in events(data)]
    assert all(name == event.type for name, event in read)
    assert [event.sequence_number for _, event in read] == list(range(len(read)))
    names = [name for name, _ in read]
    assert names[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert names[-2:] == ["response.output_item.done", "response.completed"]
    deltas = "".join(event.delta for name, event in read if name.endswith(".delta"))
    assert deltas == ('{"at": "the moon"}' if tools else text)
    assert read[-1][1].response.usage.output_tokens == usage.output_tokens == 3


async def test_a_response_stream_that_is_cut_short_ends_incomplete() -> None:
    data, _ = await ask("responses", "one two three", stream=True, output_limit=1)
    name, line = events(data)[-1]
    assert name == "response.incomplete"
    assert msgspec.json.decode(line)["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize(("text", "tools"), [("Hello there, world", False), ('call look {"at": "the moon"}', True)])
async def test_a_message_stream_is_what_the_sdk_reads(text: str, tools: bool) -> None:
    from anthropic.types import RawMessageStreamEvent
    from pydantic import TypeAdapter

    adapter: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
    data, usage = await ask("messages", text, tools=tools, stream=True)
    read = [(name, adapter.validate_json(line)) for name, line in events(data)]
    assert all(name == event.type for name, event in read)
    assert [name for name, _ in read if "delta" not in name or name == "message_delta"] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    deltas = [event.delta for name, event in read if name == "content_block_delta"]
    said = "".join(delta.partial_json if tools else delta.text for delta in deltas)
    assert said == ('{"at": "the moon"}' if tools else text)
    assert read[0][1].message.usage.output_tokens == 1
    assert read[-2][1].usage.output_tokens == usage.output_tokens == 3
    assert read[-2][1].delta.stop_reason == ("tool_use" if tools else "end_turn")


async def test_counting_counts_words_in_either_dialect() -> None:
    answer, usage = await ask_json("count", "one two", more={"system": "be brief"})
    assert answer == {"input_tokens": 5}  # the role is a word, too
    assert usage == Usage(), "counting costs nothing"
    call = make_call({"model": "echo", "input": "one two"}, surface="count")
    async with EchoProvider("echo").open(call, make_target()) as reply:
        assert await read_all(reply) == b'{"object":"response.input_tokens","input_tokens":2}'


@pytest.mark.parametrize("given", [{}, {"messages": []}, {"messages": "hm"}, {"messages": [3]}, {"input": [{"role": "user", "content": None}]}])  # fmt: skip
async def test_odd_bodies_are_answered_all_the_same(given: dict[str, object]) -> None:
    async with EchoProvider("echo").open(make_call(given), make_target()) as reply:
        assert await read_all(reply)
        assert reply.usage.input_tokens >= 1


async def test_a_delay_is_waited_before_each_event(autojump_clock: trio.testing.MockClock) -> None:
    provider = EchoType().build("slow", {"type": "echo", "delay": 0.5})
    begin = trio.current_time()
    async with provider.open(make_call(stream=True), make_target()) as reply:
        assert await reply.chunks.receive()
        assert trio.current_time() - begin == 0.5


@pytest.mark.parametrize("table", [{"delay": "x"}, {"delay": -1}, {"colour": "red"}])
def test_a_wrong_table_is_named(table: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"providers\.mine"):
        EchoType().build("mine", {"type": "echo", **table})


def gemini(text: str, *, stream: bool = False, query: str = "", **more: object):
    verb = "streamGenerateContent" if stream else "generateContent"
    content = {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}
    return make_call(
        content, surface="gemini", path=f"/models/echo:{verb}", query=query, model="echo", stream=stream,
        output_key="generationConfig.maxOutputTokens",
    )  # fmt: skip


async def read(call) -> tuple[bytes, Usage | None]:
    async with EchoProvider("echo").open(call, make_target()) as reply:
        return await read_all(reply), reply.usage


async def test_gemini_has_the_shape_googles_sdk_knows() -> None:
    from google.genai.types import GenerateContentResponse

    data, usage = await read(gemini("Hello there, world"))
    answer = GenerateContentResponse.model_validate_json(data)
    assert (answer.text, answer.candidates[0].finish_reason.value) == ("Hello there, world", "STOP")
    assert answer.usage_metadata.candidates_token_count == usage.output_tokens == 3
    assert answer.usage_metadata.prompt_token_count == usage.input_tokens == 4  # its role is a word, too


async def test_gemini_streams_as_events_and_as_one_array() -> None:
    events, _ = await read(gemini("Hello there, world", stream=True, query="alt=sse"))
    array, _ = await read(gemini("Hello there, world", stream=True))
    chunks = [msgspec.json.decode(event[6:]) for event in events.split(b"\r\n\r\n") if event]
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks]
    assert texts == ["Hello", " there,", " world"]
    assert [chunk["candidates"] for chunk in msgspec.json.decode(array)] == [chunk["candidates"] for chunk in chunks]


async def test_gemini_calls_a_tool_and_says_its_result() -> None:
    tools = [{"functionDeclarations": [{"name": "look"}]}]
    data, _ = await read(gemini('call look {"at": "it"}', tools=tools))
    part = msgspec.json.decode(data)["candidates"][0]["content"]["parts"][0]
    assert part == {"functionCall": {"name": "look", "args": {"at": "it"}}}
    result = {"functionResponse": {"name": "look", "response": {"seen": 1}}}
    data, _ = await read(
        make_call({"contents": [{"parts": [result]}]}, surface="gemini", path="/models/e:generateContent")
    )
    assert msgspec.json.decode(data)["candidates"][0]["content"]["parts"][0]["text"] == '{"seen": 1}'


async def test_the_other_endpoints_have_the_shapes_the_openai_sdk_knows() -> None:
    from openai.types import Completion, CreateEmbeddingResponse, ModerationCreateResponse

    data, usage = await read(make_call({"model": "e", "prompt": "Hi you"}, surface="completions", path="/completions"))
    assert Completion.model_validate_json(data).choices[0].text == "Hi you"
    assert usage == Usage(input_tokens=2, output_tokens=2)
    data, usage = await read(make_call({"model": "e", "input": ["a b", "c"]}, surface="embeddings", path="/embeddings"))
    assert len(CreateEmbeddingResponse.model_validate_json(data).data) == 2
    assert usage == Usage(input_tokens=3)
    data, usage = await read(make_call({"model": "e", "input": "x"}, surface="moderations", path="/moderations"))
    assert ModerationCreateResponse.model_construct(**msgspec.json.decode(data)).results[0].flagged is False
    assert usage == Usage()


async def test_a_completion_streams_with_the_usage_it_is_asked_for() -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    call = make_call(
        {"model": "e", "prompt": "Hi you", **options}, surface="completions", path="/completions", stream=True
    )
    data, _ = await read(call)
    chunks = [event[6:] for event in data.split(b"\n\n") if event]
    assert chunks[-1] == b"[DONE]"
    assert msgspec.json.decode(chunks[-2])["usage"]["completion_tokens"] == 2


async def test_gemini_counts_and_embeds() -> None:
    content = {"parts": [{"text": "a b"}]}
    data, usage = await read(make_call({"contents": [content]}, surface="count", path="/models/e:countTokens"))
    assert (msgspec.json.decode(data), usage) == ({"totalTokens": 2}, Usage())
    one = make_call({"content": content}, surface="gemini_embeddings", path="/models/e:embedContent")
    data, usage = await read(one)
    assert len(msgspec.json.decode(data)["embedding"]["values"]) == 3
    assert usage == Usage(input_tokens=2)
    many = make_call({"requests": [{"content": content}] * 2}, surface="gemini_embeddings", path="/models/e:batchEmbedContents")  # fmt: skip
    data, _ = await read(many)
    assert len(msgspec.json.decode(data)["embeddings"]) == 2
