"""Each SDK streams with a tool from a shipped model of each provider, and pays what genai-prices says."""

from __future__ import annotations

from decimal import Decimal

import anthropic
import openai
import pytest
from genai_prices import Usage, calc_price
from google import genai
from google.genai import types

pytestmark = pytest.mark.slow

PROVIDERS = """
[serve]
port = 0
"""
PROVIDER = """
[providers.{name}]
type = "{type}"
base_url = "{url}"
api_key_env = "UPSTREAM_KEY"
private = true
"""
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "google": "gemini-2.5-flash"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def served(program):
    text = PROVIDERS
    for name, kind, path in (
        ("openai", "openai", "/v1"),
        ("anthropic", "anthropic", "/v1"),
        ("google", "gemini", "/v1beta"),
    ):
        text += PROVIDER.format(name=name, type=kind, url=program.upstream.url + path)
    (program.home / "aexl.toml").write_text(text)
    program.start()
    return program


def by_openai(served, token, model):
    tools = [{"type": "function", "function": {"name": "add", "parameters": SCHEMA}}]
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key=token, max_retries=0) as client,
        client.chat.completions.stream(model=model, messages=HELLO, tools=tools, max_tokens=100) as stream,
    ):
        return stream.get_final_completion().choices[0].message.tool_calls[0].function.name


def by_anthropic(served, token, model):
    tools = [{"name": "add", "input_schema": SCHEMA}]
    with (
        anthropic.Anthropic(base_url=served.url, auth_token=token, max_retries=0) as client,
        client.messages.stream(model=model, messages=HELLO, tools=tools, max_tokens=100) as stream,
    ):
        return next(part.name for part in stream.get_final_message().content if part.type == "tool_use")


def by_google(served, token, model):
    declared = types.FunctionDeclaration(name="add", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        max_output_tokens=100,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    with genai.Client(api_key=token, http_options=types.HttpOptions(base_url=served.url)) as client:
        chunks = list(client.models.generate_content_stream(model=model, contents="Hello", config=config))
    return next(call.name for chunk in chunks for call in chunk.function_calls or [])


ASKED = {by_openai: "anthropic", by_anthropic: "google", by_google: "openai"}


@pytest.mark.parametrize(
    ("ask", "provider"),
    [
        pytest.param(ask, provider, marks=() if provider == sampled else pytest.mark.long)
        for ask, sampled in ASKED.items()
        for provider in MODELS
    ],
)
def test_every_sdk_pays_for_every_providers_model_what_its_price_list_says(served, ask, provider):
    model = MODELS[provider]
    assert ask(served, served.agent(), model) == "add"
    theirs = calc_price(Usage(input_tokens=10, output_tokens=20), model, provider_id=provider).total_price
    assert Decimal(served.inspect()["spent"]) == theirs
    [found] = served.json("ledger", "show")
    assert (found["state"], found["provider"], found["estimated"]) == ("committed", provider, False)
