"""Show 2: the real SDKs, unmodified, through the proxy against a loopback upstream."""

from __future__ import annotations

import anthropic
import openai
import pydantic
import pytest

pytestmark = pytest.mark.slow

TEXT = "The quick brown fox jumps."
HELLO = [{"role": "user", "content": "Hello"}]
ADD = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


@pytest.fixture
def served(shared):
    return shared.visit()


@pytest.fixture
def client(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.agent()) as made:
        yield made


@pytest.fixture
def claude(served):
    with anthropic.Anthropic(base_url=served.url, auth_token=served.agent()) as made:
        yield made


def test_openai_chat(client, served):
    answer = client.chat.completions.create(model="gpt.plain", messages=HELLO)

    assert answer.choices[0].message.content == TEXT
    assert served.inspect()["spent"] == "0.00005"  # 10 at 1 USD and 20 at 2 USD per million


def test_openai_chat_streaming_hides_the_usage_that_only_the_proxy_asked_for(client, served):
    chunks = list(client.chat.completions.create(model="gpt.plain", messages=HELLO, stream=True))

    assert "".join(c.choices[0].delta.content or "" for c in chunks) == TEXT
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert served.inspect()["spent"] == "0.00005"


def test_openai_chat_streaming_gives_the_usage_that_the_client_asked_for(client):
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="gpt.plain", messages=HELLO, stream=True, stream_options=options)
    )

    assert chunks[-1].usage.completion_tokens == 20


def test_openai_tools(client):
    tools = [{"type": "function", "function": {"name": "add", "parameters": ADD}}]
    answer = client.chat.completions.create(model="gpt.plain", messages=HELLO, tools=tools)
    [call] = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("add", '{"a": 1, "b": 2}')

    stream = client.chat.completions.create(model="gpt.plain", messages=HELLO, tools=tools, stream=True)
    pieces = [d.function.arguments for chunk in stream for d in chunk.choices[0].delta.tool_calls or []]
    assert "".join(pieces) == '{"a": 1, "b": 2}'


def test_openai_structured_output(client):
    class Place(pydantic.BaseModel):
        city: str
        people: int

    answer = client.chat.completions.parse(model="gpt.plain", messages=HELLO, response_format=Place)

    assert answer.choices[0].message.parsed == Place(city="Paris", people=2)


def test_openai_responses(client, served):
    answer = client.responses.create(model="gpt.plain", input="Hello")

    assert answer.output_text == TEXT
    assert served.inspect()["spent"] == "0.00005"


def test_openai_responses_streaming(client, served):
    with client.responses.stream(model="gpt.plain", input="Hello") as stream:
        kinds = [event.type for event in stream]

    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert served.inspect()["spent"] == "0.00005"


def test_a_stored_response_belongs_to_its_agent(client, served):
    made = client.responses.create(model="gpt.plain", input="Hello")

    assert client.responses.retrieve(made.id).id == made.id
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.agent("bob")) as other:
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(made.id)
        with pytest.raises(openai.NotFoundError):
            other.responses.create(model="gpt.plain", input="More", previous_response_id=made.id)


def test_openai_models(client):
    assert {"gpt.plain", "claude.plain"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("gpt.plain").id == "gpt.plain"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_openai_errors_have_their_classes_and_are_asked_once(client, served):
    with pytest.raises(openai.NotFoundError, match="no-such-model"):
        client.chat.completions.create(model="no-such-model", messages=HELLO)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gpt.plain", messages=HELLO, max_tokens=-5)
    assert served.upstream.requests == []
    stranger = openai.OpenAI(base_url=f"{served.url}/v1", api_key="aexl_no_such")
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_anthropic_messages(claude, served):
    answer = claude.messages.create(model="claude.plain", max_tokens=100, messages=HELLO)

    assert answer.content[0].text == TEXT
    assert served.inspect()["spent"] == "0.00005"


def test_anthropic_streaming(claude, served):
    with claude.messages.stream(model="claude.plain", max_tokens=100, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == TEXT

    assert served.inspect()["spent"] == "0.00005"


def test_anthropic_tools(claude):
    tools = [{"name": "add", "input_schema": ADD}]
    with claude.messages.stream(model="claude.plain", max_tokens=100, messages=HELLO, tools=tools) as stream:
        final = stream.get_final_message()

    assert final.content[0].input == {"a": 1, "b": 2}
    assert final.stop_reason == "tool_use"


def test_anthropic_count_tokens_is_free(claude, served):
    assert claude.messages.count_tokens(model="claude.plain", messages=HELLO).input_tokens == 7
    assert served.inspect()["spent"] == "0.00"


def test_anthropic_models_in_its_own_shape(claude):
    assert "claude.plain" in {model.id for model in claude.models.list()}


def test_anthropic_errors_have_their_classes(claude):
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="no-such-model", max_tokens=10, messages=HELLO)


def test_the_prefixes_serve_the_same(served):
    token = served.agent()
    with openai.OpenAI(base_url=f"{served.url}/openai/v1", api_key=token) as client:
        assert client.chat.completions.create(model="gpt.plain", messages=HELLO).choices[0].message.content == TEXT
    with anthropic.Anthropic(base_url=f"{served.url}/anthropic", auth_token=token) as claude:
        assert claude.messages.create(model="claude.plain", max_tokens=9, messages=HELLO).content[0].text == TEXT
