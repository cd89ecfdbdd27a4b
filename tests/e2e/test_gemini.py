"""Google's own SDK, unmodified, through the proxy against a loopback upstream."""

from __future__ import annotations

from decimal import Decimal

import httpx
import httpx2
import pydantic
import pytest
from genai_prices import extract_usage
from google import genai
from google.genai import types

pytestmark = pytest.mark.slow

TEXT = "The quick brown fox jumps."
CONFIG = """
[providers.gemini]
type = "gemini"
base_url = "{upstream}/v1beta"
api_key_env = "UPSTREAM_KEY"
private = true
"""
MODEL = """
[models."{name}"]
provider = "gemini"
price = {{ input = "1", cached_input = "0.25", output = "2", input_audio = "3" }}
limits = {{ context = 100000, output = {output} }}
"""
NAMES = ["gemini.plain", "gemini.cut", "gemini.no-usage", "gemini.status-503", "gemini.large"]
HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
SHARED = CONFIG + "".join(MODEL.format(name=name, output=100_000 if name == "gemini.large" else 1000) for name in NAMES)


@pytest.fixture
def served(shared):
    return shared.visit()


@pytest.fixture
def client(served):
    with make_client(served.url, served.agent()) as made:
        yield made


def make_client(url, token, **options):
    return genai.Client(api_key=token, http_options=types.HttpOptions(base_url=url, **options))


def post(served, path, token, body=HELLO, **headers):
    return httpx.post(served.url + path, json=body, headers={"x-goog-api-key": token, **headers}, timeout=30)


def test_an_answer_and_what_it_costs(client, served):
    answer = client.models.generate_content(model="gemini.plain", contents="Hello")

    assert answer.text == TEXT
    assert served.inspect()["spent"] == "0.00005"  # 10 at 1 USD and 20 at 2 USD per million
    method, path, headers, _ = served.upstream.requests[-1]
    assert (method, path) == ("POST", "/v1beta/models/gemini.plain:generateContent")
    assert {name.lower(): value for name, value in headers.items()}["x-goog-api-key"] == "sk-upstream-secret"


def test_a_stream(client, served):
    chunks = list(client.models.generate_content_stream(model="gemini.plain", contents="Hello"))

    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    assert served.inspect()["spent"] == "0.00005"


def test_a_tool_call_with_its_signature(client):
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="add")])
    off = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(tools=[tool], automatic_function_calling=off)
    for answer in (
        client.models.generate_content(model="gemini.plain", contents="Hello", config=config),
        *client.models.generate_content_stream(model="gemini.plain", contents="Hello", config=config),
    ):
        [part] = answer.candidates[0].content.parts
        assert (part.function_call.name, part.function_call.args) == ("add", {"a": 1, "b": 2})
        assert part.thought_signature == b"sig"


def test_structured_output(client):
    class Place(pydantic.BaseModel):
        city: str
        people: int

    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Place)
    answer = client.models.generate_content(model="gemini.plain", contents="Hello", config=config)
    assert answer.parsed == Place(city="Paris", people=2)


def test_counting_is_free(client, served):
    assert client.models.count_tokens(model="gemini.plain", contents="Hello").total_tokens == 7
    assert served.inspect()["spent"] == "0.00"


def test_embeddings_cost_their_input(client, served):
    assert client.models.embed_content(model="gemini.plain", contents="one").embeddings[0].values == [0.1, 0.2]
    assert served.inspect()["spent"] == "0.00001"
    assert served.upstream.bodies()[-1]["requests"][0]["model"] == "models/gemini.plain"
    token = served.agent("bob")
    answer = post(served, "/v1beta/models/gemini.plain:embedContent", token, {"content": {"parts": [{"text": "x"}]}})
    assert answer.json()["embedding"]["values"] == [0.1, 0.2]
    assert answer.headers["x-aexl-cost-usd"] == "0.00001"


def test_models(client):
    assert {f"models/{name}" for name in NAMES} <= {model.name for model in client.models.list()}
    found = client.models.get(model="gemini.plain")
    assert (found.input_token_limit, found.output_token_limit) == (100000, 1000)
    with pytest.raises(genai.errors.ClientError) as caught:
        client.models.get(model="nothing")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_errors_have_geminis_shape(client, served):
    with pytest.raises(genai.errors.ClientError, match="no-such-model") as caught:
        client.models.generate_content(model="no-such-model", contents="Hello")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    assert served.upstream.requests == []
    with pytest.raises(genai.errors.ServerError) as failed:
        client.models.generate_content(model="gemini.status-503", contents="Hello")
    assert (failed.value.code, failed.value.message) == (503, "upstream says 503")
    with make_client(served.url, "aexl_no_such") as stranger, pytest.raises(genai.errors.ClientError) as unknown:
        stranger.models.generate_content(model="gemini.plain", contents="Hello")
    assert (unknown.value.code, unknown.value.status) == (401, "UNAUTHENTICATED")


def test_a_budget_says_no_with_a_403_that_is_asked_once(served):
    token = served.agent("poor", "0.000001")
    with make_client(served.url, token) as client, pytest.raises(genai.errors.ClientError, match="budget") as caught:
        client.models.generate_content(model="gemini.plain", contents="Hello")
    assert (caught.value.code, caught.value.status) == (403, "PERMISSION_DENIED")
    assert caught.value.details["error"]["details"][0]["reason"] == "insufficient_budget"
    assert served.upstream.requests == []


def test_a_run_budget_lowers_the_limit_where_gemini_has_it(served):
    token = served.agent("small", "0.0025", "--clamp")
    body = {**HELLO, "generationConfig": {"temperature": 1.0, "maxOutputTokens": 100000}}
    answer = post(served, "/v1beta/models/gemini.large:generateContent", token, body)
    assert answer.status_code == 200
    sent = served.upstream.bodies()[-1]["generationConfig"]
    assert 1024 <= sent["maxOutputTokens"] < 1250
    assert sent["temperature"] == 1.0


@pytest.mark.parametrize("path", ["/v1beta", "/v1", "/v1alpha", "", "/gemini", "/gemini/v1beta", "/gemini/v1"])
def test_every_spelling_of_the_path_is_served(served, path):
    token = served.agent()
    answer = post(served, f"{path}/models/gemini.plain:generateContent", token)
    assert answer.json()["candidates"][0]["content"]["parts"][0]["text"] == TEXT
    models = httpx.get(f"{served.url}{path}/models", headers={"x-goog-api-key": token}, params={"pageSize": 1000})
    models = models.json()["models"]
    assert "models/gemini.plain" in {model["name"] for model in models}


def test_a_key_in_the_query_goes_no_further(program):
    program.configure(SHARED.replace("{upstream}", program.upstream.url))
    program.start()
    token = program.agent()
    url = f"{program.url}/v1beta/models/gemini.plain:streamGenerateContent?alt=sse&key={token}&%6bey={token}"
    with httpx.stream("POST", url, json=HELLO) as answer:
        answer.read()
    assert answer.status_code == 200
    assert program.upstream.requests[-1][1] == "/v1beta/models/gemini.plain:streamGenerateContent?alt=sse"
    secret = token.rpartition("_")[2]
    program.stop()
    assert secret not in "".join(program.log)
    everything = b"".join(path.read_bytes() for path in program.home.rglob("*") if path.is_file())
    assert secret.encode() not in everything


def test_a_stream_without_events_is_one_array(served):
    answer = post(served, "/v1beta/models/gemini.plain:streamGenerateContent", served.agent())
    assert [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in answer.json()][:2] == ["The ", "quick "]
    assert served.inspect()["spent"] == "0.00005"


def test_a_cut_stream_is_cut_and_booked_by_its_hold(served):
    with make_client(served.url, served.agent()) as client, pytest.raises(httpx2.RemoteProtocolError):
        list(client.models.generate_content_stream(model="gemini.cut", contents="Hello"))
    [execution] = served.json("ledger", "show", "--agent", served.me)
    assert execution["reason"] == "cut"
    assert execution["cost_nanos"] == execution["hold_nanos"]


def test_the_same_key_is_answered_once_and_the_same(served):
    token, key = served.agent(), {"idempotency-key": "k1"}
    path = "/v1beta/models/gemini.plain:streamGenerateContent?alt=sse"
    first, second = (post(served, path, token, **key) for _ in range(2))
    assert first.content == second.content
    assert second.headers["x-aexl-replayed"] == "true"
    assert len(served.upstream.requests) == 1
    other = post(served, "/v1beta/models/gemini.plain:streamGenerateContent", token, **key)
    assert (other.status_code, other.json()["error"]["status"]) == (422, "INVALID_ARGUMENT")


def test_what_is_not_governed_says_why(served):
    token = served.agent()
    for path in ("/v1beta/files", "/v1beta/cachedContents", "/upload/v1beta/files", "/v1beta/models/m:predict"):
        answer = post(served, path, token)
        assert answer.status_code == 404
    assert "one key for all agents" in post(served, "/v1beta/files", token).json()["error"]["message"]
    with make_client(served.url, token) as client, pytest.raises(genai.errors.ClientError, match="not governed"):
        client.files.list().__next__()
    assert served.upstream.requests == []


def test_the_cost_is_what_the_source_of_prices_calculates(program):
    """A model of the shipped catalogue, by the SDK; the same answer, priced by genai-prices itself."""
    program.configure(CONFIG.format(upstream=program.upstream.url))
    program.start()
    token = program.agent()
    with make_client(program.url, token) as client:
        for name in ("gemini-2.5-pro", "gemini-3.8-flash"):
            before = Decimal(program.inspect()["spent"])
            answer = client.models.generate_content(model=name, contents="Hello")
            told = answer.model_dump(by_alias=True, exclude_none=True, mode="json")
            theirs = extract_usage(told, provider_id="google").calc_price()
            assert Decimal(program.inspect()["spent"]) - before == round(theirs.total_price, 9)
