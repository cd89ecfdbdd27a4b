"""The real SDKs, unmodified, on models whose provider speaks another dialect: an upstream of each behind one server."""

from __future__ import annotations

import json
from decimal import Decimal

import anthropic
import openai
import pydantic
import pytest
from google import genai
from google.genai import types

pytestmark = pytest.mark.slow

TEXT = "The quick brown fox jumps."
HELLO = [{"role": "user", "content": "Hello"}]
ADD = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
SHARED = """
[providers.google]
type = "gemini"
base_url = "{upstream}/v1beta"
private = true

[models."gemini.plain"]
provider = "google"
price = { input = "1", output = "2" }
limits = { context = 100000, output = 1000 }

[providers.modern]
type = "openai"
base_url = "{upstream}/v1"
private = true

[models."modern.plain"]
provider = "modern"
provider_model = "gpt-5.plain"
price = { input = "1", output = "2" }
limits = { context = 100000, output = 1000 }

[translation.prefer]
modern = "responses"

[translation.speaks]
modern = ["responses"]
"""
COST = Decimal("0.00005")  # of an answer: 10 tokens at 1 USD and 20 at 2 USD per million
PATHS = {
    "gpt.plain": "/v1/chat/completions",
    "claude.plain": "/v1/messages",
    "modern.plain": "/v1/responses",
    "gemini.plain": "/v1beta/models/gemini.plain:streamGenerateContent?alt=sse",
}
every_provider = pytest.mark.parametrize("model", list(PATHS))


@pytest.fixture
def served(shared):
    return shared.visit()


@pytest.fixture
def token(served):
    return served.agent()


@pytest.fixture
def client(served, token):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=token, max_retries=0) as made:
        yield made


@pytest.fixture
def claude(served, token):
    with anthropic.Anthropic(base_url=served.url, auth_token=token, max_retries=0) as made:
        yield made


@pytest.fixture
def gemini(served, token):
    with genai.Client(api_key=token, http_options=types.HttpOptions(base_url=served.url)) as made:
        yield made


@pytest.fixture
def check(served):
    """Returns a check of what was asked for at the provider and what was booked."""

    def check(path: str, calls: int) -> None:
        assert [asked for _, asked, _, _ in served.upstream.requests] == [path] * calls
        assert Decimal(served.inspect()["spent"]) == COST * calls

    return check


@every_provider
def test_chat_streams_with_a_tool_and_takes_its_result(client, check, model) -> None:
    tools = [{"type": "function", "function": {"name": "add", "parameters": ADD, "strict": True}}]
    with client.chat.completions.stream(model=model, messages=HELLO, tools=tools) as stream:
        asked = stream.get_final_completion().choices[0]
    [call] = asked.message.tool_calls
    assert (asked.finish_reason, call.function.name) == ("tool_calls", "add")
    assert json.loads(call.function.arguments) == {"a": 1, "b": 2}

    messages = [*HELLO, asked.message, {"role": "tool", "tool_call_id": call.id, "content": "3"}]
    chunks = list(
        client.chat.completions.create(
            model=model, messages=messages, tools=tools, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (10, 20)
    check(PATHS[model], 2)


@every_provider
def test_responses_stream_with_a_tool_and_take_its_result(client, check, model) -> None:
    tools = [{"type": "function", "name": "add", "parameters": ADD, "strict": True}]
    with client.responses.stream(model=model, input=HELLO, tools=tools, store=False) as stream:
        kinds = [event.type for event in stream]
        asked = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    *_, call = asked.output  # Gemini's model has signed what it thought
    assert (call.name, json.loads(call.arguments)) == ("add", {"a": 1, "b": 2})

    given = [
        *HELLO,
        *(item.to_dict(exclude_unset=True, mode="json") for item in asked.output),
        {"type": "function_call_output", "call_id": call.call_id, "output": "3"},
    ]
    with client.responses.stream(model=model, input=given, tools=tools, store=False) as stream:
        final = stream.get_final_response()
    assert final.output_text == TEXT
    assert (final.usage.input_tokens, final.usage.output_tokens) == (10, 20)
    check("/v1/responses" if model == "gpt.plain" else PATHS[model], 2)


@every_provider
def test_messages_stream_with_a_tool_and_take_its_result(claude, check, model) -> None:
    tools = [{"name": "add", "input_schema": ADD}]
    with claude.messages.stream(model=model, max_tokens=100, messages=HELLO, tools=tools) as stream:
        asked = stream.get_final_message()
    *_, call = asked.content
    assert (asked.stop_reason, call.name, call.input) == ("tool_use", "add", {"a": 1, "b": 2})

    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "3"}]}
    messages = [*HELLO, {"role": "assistant", "content": asked.content}, result]
    with claude.messages.stream(model=model, max_tokens=100, messages=messages, tools=tools) as stream:
        assert "".join(stream.text_stream) == TEXT
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 10, 20)
    check(PATHS[model], 2)


@every_provider
def test_generate_content_streams_with_a_tool_and_takes_its_result(gemini, check, model) -> None:
    add = types.FunctionDeclaration(name="add", parameters_json_schema=ADD)
    off = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[add])], automatic_function_calling=off, max_output_tokens=100
    )
    asked = list(gemini.models.generate_content_stream(model=model, contents="Hello", config=config))
    [call] = [call for chunk in asked for call in chunk.function_calls or ()]
    assert (call.name, call.args) == ("add", {"a": 1, "b": 2})

    said = [part for chunk in asked for part in chunk.candidates[0].content.parts or ()]
    contents = [
        types.UserContent("Hello"),
        types.ModelContent(said),
        types.UserContent(
            types.Part(function_response=types.FunctionResponse(id=call.id, name="add", response={"output": "3"}))
        ),
    ]
    chunks = list(gemini.models.generate_content_stream(model=model, contents=contents, config=config))
    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    usage = chunks[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (10, 20)
    check(PATHS[model], 2)


@every_provider
def test_whole_answers_are_translated_too(client, claude, gemini, model) -> None:
    chat = client.chat.completions.create(model=model, messages=HELLO)
    response = client.responses.create(model=model, input="Hello", store=False)
    message = claude.messages.create(model=model, max_tokens=100, messages=HELLO)

    generated = gemini.models.generate_content(model=model, contents="Hello")

    assert chat.choices[0].message.content == response.output_text == message.content[0].text == generated.text == TEXT


def test_what_a_model_signed_comes_back_to_it_through_another_dialect(claude, served) -> None:
    tools = [{"name": "add", "input_schema": ADD}]
    asked = claude.messages.create(model="gemini.plain", max_tokens=100, messages=HELLO, tools=tools)
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": asked.content[-1].id, "content": "3"}]}
    messages = [*HELLO, {"role": "assistant", "content": asked.content}, result]
    claude.messages.create(model="gemini.plain", max_tokens=100, messages=messages, tools=tools)

    [call] = served.upstream.bodies()[1]["contents"][1]["parts"]
    assert (call["functionCall"]["name"], call["thoughtSignature"]) == ("add", "c2ln")


def test_structured_output_is_asked_for_by_schema(client, served) -> None:
    class Place(pydantic.BaseModel):
        city: str

    with pytest.raises(pydantic.ValidationError):  # the scripted model says what it always says
        client.chat.completions.parse(model="claude.plain", messages=HELLO, response_format=Place)

    [sent] = served.upstream.bodies()
    assert sent["output_config"]["format"]["schema"]["properties"] == {"city": {"title": "City", "type": "string"}}


def test_the_limit_of_an_answer_is_the_one_that_the_hold_covers(client, claude, served) -> None:
    client.chat.completions.create(model="claude.plain", messages=HELLO)
    client.chat.completions.create(model="claude.plain", messages=HELLO, max_tokens=77)
    claude.messages.create(model="gpt.plain", max_tokens=78, messages=HELLO)

    first, second, third = served.upstream.bodies()
    assert (first["max_tokens"], second["max_tokens"], third["max_completion_tokens"]) == (1000, 77, 78)


def test_a_budget_that_is_nearly_spent_lowers_the_limit_in_the_providers_dialect(program) -> None:
    program.configure(output=5000)
    program.start()
    token = program.agent("bob", "0.0060", "--clamp")
    with anthropic.Anthropic(base_url=program.url, auth_token=token) as claude:
        claude.messages.create(model="gpt.out-5000", max_tokens=5000, messages=HELLO)

    [sent] = program.upstream.bodies()
    assert 1024 <= sent["max_completion_tokens"] < 5000


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gpt.plain", "/v1/responses/input_tokens"),
        ("claude.plain", "/v1/messages/count_tokens"),
        ("gemini.plain", "/v1beta/models/gemini.plain:countTokens"),
    ],
)
def test_tokens_are_counted_where_the_provider_counts(claude, gemini, served, model, path) -> None:
    assert claude.messages.count_tokens(model=model, messages=HELLO).input_tokens == 7
    assert gemini.models.count_tokens(model=model, contents="Hello").total_tokens == 7
    assert [asked.partition("?")[0] for _, asked, _, _ in served.upstream.requests] == [path, path]
    assert served.inspect()["spent"] == "0.00"


def test_what_cannot_be_translated_is_refused_and_costs_nothing(client, claude, served) -> None:
    with pytest.raises(openai.BadRequestError, match=r"n \(2\) cannot be translated") as caught:
        client.chat.completions.create(model="claude.plain", messages=HELLO, n=2)
    assert caught.value.param == "n"
    with pytest.raises(anthropic.BadRequestError, match="known to Claude alone"):
        claude.messages.create(
            model="gpt.plain", max_tokens=9, messages=HELLO, tools=[{"type": "bash_20250124", "name": "bash"}]
        )

    assert served.upstream.requests == []
    assert served.inspect()["spent"] == "0.00"


def test_errors_of_a_provider_have_the_classes_of_the_clients_sdk(claude, client) -> None:
    with pytest.raises(anthropic.RateLimitError, match="upstream says 429") as caught:
        claude.messages.create(model="gpt.status-429", max_tokens=9, messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "7"
    with pytest.raises(anthropic.InternalServerError):
        claude.messages.create(model="gpt.status-500", max_tokens=9, messages=HELLO)


def test_a_stream_that_the_provider_cuts_is_cut_for_the_client(claude, served) -> None:
    seen = []
    with (
        pytest.raises(Exception, match=r"incomplete|closed|reset"),
        claude.messages.create(model="gpt.cut", max_tokens=9, messages=HELLO, stream=True) as stream,
    ):
        seen += [event.type for event in stream]
    assert "message_stop" not in seen


def test_models_can_be_called_in_every_dialect(program) -> None:
    models = {model["name"]: model for model in program.json("models", "list")}
    assert {"chat", "responses", "messages", "gemini"} <= set(models["claude.plain"]["surfaces"])
    assert "nothing is wrong" in program.run("models", "check").stdout
