"""The endpoints beside conversations, by OpenAI's own SDK, through the proxy against a loopback upstream."""

from __future__ import annotations

import io

import httpx
import openai
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")]

SHARED = """
[models."embed.plain"]
provider = "openai"
price = { input = "1" }

[models."whisper.plain"]
provider = "openai"
price = { per_minute = "0.006" }

[models."whisper.tokens"]
provider = "openai"
price = { input = "2", input_audio = "6", output = "10" }
limits = { context = 16000, output = 2000 }

[models."voice.plain"]
provider = "openai"
price = { per_million_characters = "15" }

[models."picture.plain"]
provider = "openai"
provider_model = "picture.real"
price = { per_image = { default = "0.04", "hd:1024x1024" = "0.08" } }

[models."picture.tokens"]
provider = "openai"
price = { input = "5", input_image = "10", output = "40" }
limits = { output = 8192 }

[models.omni-moderation-latest]
provider = "openai"
free = true
"""
WAVE = (
    b"RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0" + (8000).to_bytes(4, "little") + (16000).to_bytes(4, "little")
    + b"\x02\0\x10\0data\0\x7d\0\0" + bytes(32000)
)  # fmt: skip


@pytest.fixture
def served(shared):
    return shared.visit()


@pytest.fixture
def client(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.agent()) as made:
        yield made


def named(name="sound.wav", data=WAVE):
    file = io.BytesIO(data)
    file.name = name
    return file


def spent(served):
    return served.inspect()["spent"]


def test_embeddings(client, served):
    found = client.embeddings.create(model="embed.plain", input=["one", "two"])
    assert [len(entry.embedding) for entry in found.data] == [2, 2]
    assert spent(served) == "0.00001"
    client.embeddings.create(model="embed.plain", input=[[1, 2], [3]])
    assert spent(served) == "0.00002"


def test_legacy_completions(client, served):
    assert client.completions.create(model="gpt.plain", prompt="Hi", max_tokens=30).choices[0].text.startswith("The")
    assert spent(served) == "0.00005"
    chunks = list(client.completions.create(model="gpt.plain", prompt=["Hi", "Ho"], max_tokens=30, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "The fox."
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert spent(served) == "0.0001"


def test_moderations_are_free_and_need_no_model(client, served):
    assert client.moderations.create(input="Hi").results[0].flagged is False
    assert spent(served) == "0.00"
    assert served.upstream.bodies()[-1]["model"] == "omni-moderation-latest"


def test_pictures_cost_by_the_piece(client, served):
    assert len(client.images.generate(model="picture.plain", prompt="a fox", n=2).data) == 2
    assert spent(served) == "0.08"
    client.images.generate(model="picture.plain", prompt="a fox", quality="hd", size="1024x1024")
    assert spent(served) == "0.16"
    assert served.upstream.bodies()[-1]["model"] == "picture.real"


def test_pictures_that_are_changed_come_in_a_form(client, served):
    client.images.edit(model="picture.plain", image=named("a.png", b"\x89PNG"), prompt="a hat", n=2)
    assert spent(served) == "0.08"
    _, path, headers, body = served.upstream.requests[-1]
    assert path == "/v1/images/edits"
    assert b"picture.real" in body
    assert b"picture.plain" not in body
    assert b"\x89PNG" in body
    assert int({name.lower(): value for name, value in headers.items()}["content-length"]) == len(body)
    client.images.create_variation(model="picture.plain", image=named("a.png", b"\x89PNG"))
    assert spent(served) == "0.12"


def test_pictures_that_cost_by_the_token(client, served):
    client.images.generate(model="picture.tokens", prompt="a fox")
    assert spent(served) == "0.00087"  # 6 at 5 USD, 4 at 10 USD, 20 at 40 USD per million


def test_speech_costs_by_the_character(client, served):
    said = client.audio.speech.create(model="voice.plain", voice="alloy", input="Grüße!")
    assert said.content == b"ID3 sound"
    assert spent(served) == "0.00009"
    with client.audio.speech.with_streaming_response.create(model="voice.plain", voice="alloy", input="Hi") as stream:
        assert b"".join(stream.iter_bytes()) == b"ID3 sound"
    assert spent(served) == "0.00012"


def test_transcriptions_cost_what_their_answer_says(client, served):
    heard = client.audio.transcriptions.create(model="whisper.plain", file=named())
    assert heard.text.startswith("The quick")
    assert spent(served) == "0.0003"  # three seconds
    client.audio.transcriptions.create(model="whisper.plain", file=named(), response_format="verbose_json")
    assert spent(served) == "0.00053"  # 2.3 seconds


def test_a_transcription_that_says_nothing_costs_its_bound(client, served):
    text = client.audio.transcriptions.create(model="whisper.plain", file=named(), response_format="text")
    assert text == "The quick brown fox."
    [execution] = served.json("ledger", "show", "--agent", served.me)
    assert (execution["reason"], execution["estimated"]) == ("no_usage", True)
    assert execution["cost_nanos"] == 300_000  # 32,044 bytes at 16,000 a second, in whole seconds


def test_a_transcription_streams(client, served):
    events = list(client.audio.transcriptions.create(model="whisper.tokens", file=named(), stream=True))
    assert events[-1].type == "transcript.text.done"
    assert spent(served) == "0.00026"  # 10 at 6 USD, 20 at 10 USD per million


def test_a_translation(client, served):
    assert client.audio.translations.create(model="whisper.plain", file=named()).text
    assert spent(served) == "0.0003"


def test_what_does_not_fit_the_budget_is_not_sent(served):
    token = served.agent("poor", "0.0002")
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=token) as client:
        for make in (
            lambda: client.audio.transcriptions.create(model="whisper.plain", file=named()),
            lambda: client.images.generate(model="picture.plain", prompt="a fox"),
            lambda: client.audio.speech.create(model="voice.plain", voice="alloy", input="a" * 100),
        ):
            with pytest.raises(openai.APIStatusError) as caught:
                make()
            assert caught.value.status_code == 402
    assert served.upstream.requests == []


def test_a_form_is_replayed_too(served):
    token = served.agent()
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "multipart/form-data; boundary=b",
        "idempotency-key": "k",
    }
    form = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper.plain\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n%b\r\n--b--\r\n' % WAVE
    )
    first, second = (
        httpx.post(f"{served.url}/v1/audio/transcriptions", content=form, headers=headers) for _ in range(2)
    )
    assert first.status_code == 200
    assert first.content == second.content
    assert second.headers["x-aexl-replayed"] == "true"
    assert [body for *_, body in served.upstream.requests] == [form]


def test_an_error_of_the_provider_passes(client, served):
    with pytest.raises(openai.BadRequestError, match="upstream says 400"):
        client.embeddings.create(model="gpt.status-400", input="Hi")
    assert spent(served) == "0.00"


def test_a_text_model_makes_no_pictures(client):
    with pytest.raises(openai.BadRequestError, match="output tokens"):
        client.chat.completions.create(model="embed.plain", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError, match="input tokens"):
        client.chat.completions.create(model="whisper.plain", messages=[{"role": "user", "content": "Hi"}])


def test_what_is_not_governed_says_why(client, served):
    for ask, why in (
        (client.files.list, "one key for all agents"),
        (client.vector_stores.list, "one key for all agents"),
        (client.batches.list, "not known when it is answered"),
        (client.fine_tuning.jobs.list, "not known when it is answered"),
    ):
        with pytest.raises(openai.NotFoundError, match=why):
            ask()
    assert served.upstream.requests == []
