"""The connector ``openai``: the governed call path, and nothing beside it."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from aexl.api import Accounts, Models
from aexl.errors import ConfigError, Invalid, NotFound, Refused
from aexl.testing.accounts import FakeAccounts
from aexl.testing.answers import FakeAnswer, make_booked
from aexl.testing.connectors import ConnectorConformance, make_action, make_settings
from aexl.testing.host import FakeHost
from aexl_plane.integrations.openai import OpenAIType

TABLE = {"agent": "payer", "model": "gpt", "embedding_model": "vec"}


class OneModel:
    """The role ``Models``."""

    async def list(self):
        return [SimpleNamespace(name="gpt")]


@pytest.fixture
def host(tmp_path):
    made = FakeHost(tmp_path)
    made.services[Accounts] = FakeAccounts("payer")
    made.services[Models] = OneModel()
    return made


@pytest.fixture
def make(host):
    return lambda **options: OpenAIType(host).build(make_settings(secret=None, **{**TABLE, **options}))


@pytest.fixture
def ask(host, make):
    async def ask(action, answer, connector=None, **params):
        host.answers.append(FakeAnswer(msgspec.json.encode(answer), booked=make_booked(5_000)))
        return await (connector or make()).invoke(make_action(f"openai.{action}", **params))

    return ask


class TestItConforms(ConnectorConformance):
    options = TABLE
    secret = None

    @pytest.fixture(autouse=True)
    def _at(self, host):
        self.host = host

    def make_type(self):
        return OpenAIType(self.host)

    async def test_parameters_that_make_no_sense_are_told_and_not_crashed_on(self):
        self.host.answers += [FakeAnswer(b"{}") for _ in range(9)]
        await super().test_parameters_that_make_no_sense_are_told_and_not_crashed_on()


@pytest.mark.parametrize(
    ("action", "params", "surface", "path", "model", "limit"),
    [
        ("chat.completions.create", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 7}, "chat", "/chat/completions", "gpt", ("max_tokens", 7)),
        ("responses.create", {"input": "x", "model": "other", "max_output_tokens": 9}, "responses", "/responses", "other", ("max_output_tokens", 9)),
        ("embeddings.create", {"input": ["x"]}, "embeddings", "/embeddings", "vec", ("max_tokens", None)),
    ],
)  # fmt: skip
async def test_each_action_is_a_governed_call_of_the_owners_agent(
    ask, host, action, params, surface, path, model, limit
):
    result = await ask(action, {"id": "r1"}, **params)

    [call] = host.calls
    assert (call.principal.agent, call.principal.labels) == (
        "payer", {"integration": "one", "connection": "ic_1", "call": "call-1"}
    )  # fmt: skip
    assert (call.surface, call.path, call.model, call.stream) == (surface, path, model, False)
    assert (call.output_key, call.output_limit) == limit
    assert msgspec.json.decode(call.body.data) == {**params, "model": model}
    assert (result.value, result.cost, result.execution) == (
        {"id": "r1"},
        5_000,
        "01890000-0000-7000-8000-000000000001",
    )


async def test_json_is_asked_for_by_its_schema_and_read(ask, host):
    answer = {"id": "r", "output": [{"content": [{"type": "output_text", "text": '{"n": 1}'}]}]}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    result = await ask("responses.create_json", answer, input="x", json_schema=schema)
    bare = await ask("responses.create_json", {**answer, "output": []}, input="x")

    assert result.value == {**answer, "output_text": '{"n": 1}', "output_json": {"n": 1}}
    assert bare.value["output_json"] is None
    formats = [msgspec.json.decode(call.body.data)["text"]["format"] for call in host.calls]
    assert formats == [{"type": "json_schema", "name": "answer", "schema": schema}, {"type": "json_object"}]
    for given in ({"name": "a", "schema": schema}, {"type": "json_schema", "name": "a", "schema": schema}):
        await ask("responses.create_json", answer, input="x", json_schema=given)
        wanted = {"type": "json_schema", "name": "a", "schema": schema}
        assert msgspec.json.decode(host.calls[-1].body.data)["text"]["format"] == wanted


@pytest.mark.parametrize(
    "params",
    [
        {"input": "x", "stream": True}, {"input": "x", "background": True}, {"input": "x", "conversation": "conv_1"},
        {"input": "x", "previous_response_id": "resp_1"}, {}, {"input": ""}, {"input": "x", "model": 3},
        {"input": "x", "model": "m" * 257},
    ],
)  # fmt: skip
async def test_what_would_leave_the_governed_path_is_refused(make, host, params):
    with pytest.raises(Invalid):
        await make().invoke(make_action("openai.responses.create", **params))
    assert host.calls == []


async def test_a_model_must_be_named_somewhere(make):
    with pytest.raises(Invalid, match="name a model"):
        await make(model="").invoke(make_action("openai.responses.create", input="x"))


async def test_an_upstreams_error_is_told_with_its_execution(host, make):
    host.answers.append(FakeAnswer(b'{"error": {"message": "no such model"}}', status=404))
    with pytest.raises(Refused, match="no such model") as refused:
        await make().invoke(make_action("openai.responses.create", input="x"))
    assert (refused.value.status, refused.value.execution) == (404, "01890000-0000-7000-8000-000000000001")
    host.answers.append(FakeAnswer(b"<html>"))
    with pytest.raises(Refused, match="not JSON"):
        await make().invoke(make_action("openai.responses.create", input="x"))


async def test_one_token_serves_until_it_ends(ask, host, make):
    accounts = host.services[Accounts]
    connector = make()
    for _ in range(2):
        await ask("responses.create", {}, connector, input="x")
    [token] = await accounts.tokens("payer")
    assert token.labels == {"integration": "one"}
    await accounts.revoke(token.id)
    await ask("responses.create", {}, connector, input="x")
    assert len(await accounts.tokens("payer")) == 1
    await connector.close()
    await connector.close()
    assert await accounts.tokens("payer") == []


async def test_a_ping_and_a_check_ask_no_model(make, host):
    found = await make().check({})
    assert found == {"ok": True, "model": "gpt", "models": ["gpt"]}
    assert (await make().invoke(make_action("openai.ping"))).value == found
    assert host.calls == []
    with pytest.raises(NotFound):
        await make(agent="nobody").check({})


def test_a_key_has_no_place_here_and_an_agent_must_be_named(host):
    with pytest.raises(ConfigError, match="credential"):
        OpenAIType(host).build(make_settings(agent="payer"))
    with pytest.raises(ConfigError, match="agent"):
        OpenAIType(host).build(make_settings(secret=None))
