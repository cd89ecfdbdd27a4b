"""The most that embeddings, pictures, speech, transcriptions and Gemini's calls can cost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Body, Call, Usage
from aexl.api.form import Form
from aexl.errors import Refused
from aexl.testing.factories import make_call
from aexl_catalog.entries import Entry
from aexl_catalog.media import PICTURE_TOKENS
from aexl_catalog.planner import plan_call
from aexl_catalog.pricing import PriceTable, missing, read_price
from aexl_catalog.references import find_references
from aexl_catalog.sound import LEAST_BYTES, MP3_BYTES, longest
from aexl_catalog.tools import DEFAULT_USES, server_tools

FORM = b"multipart/form-data; boundary=b"


def entry(price: dict[str, Any], **changes: Any) -> Entry:
    table = msgspec.convert(price, PriceTable)
    values: dict[str, Any] = {"name": "m", "provider": "fake", "provider_model": "real", **changes}
    return Entry(price=read_price(table, "test"), unpriced=missing(table), **values)


def call(surface: Any, body: dict[str, Any] | None = None, **changes: Any) -> Call:
    return make_call({"model": "m", **(body or {})}, surface=surface, path=f"/{surface}", **changes)


def gemini(body: dict[str, Any], **changes: Any) -> Call:
    return make_call(
        body,
        surface="gemini",
        path="/models/m:generateContent",
        output_key="generationConfig.maxOutputTokens",
        **changes,
    )


def recording(data: bytes) -> Call:
    parts = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%b\r\n--b--\r\n' % data
    return msgspec.structs.replace(call("transcriptions"), body=Form(parts, FORM))


def wave(seconds: int, rate: int = 8000, tag: int = 1) -> bytes:
    head = b"fmt " + (16).to_bytes(4, "little") + tag.to_bytes(2, "little") + b"\x01\x00" + rate.to_bytes(4, "little")
    head += (rate * 2).to_bytes(4, "little") + b"\x02\x00\x10\x00data" + (rate * 2 * seconds).to_bytes(4, "little")
    return b"RIFF\x00\x00\x00\x00WAVE" + head + bytes(rate * 2 * seconds)


def refused(asked: Call, model: Entry) -> Refused:
    with pytest.raises(Refused) as caught:
        plan_call(asked, [model])
    return caught.value


def test_embeddings_are_bounded_by_their_bytes_however_many_there_are() -> None:
    asked = call("embeddings", {"input": ["x" * 9000] * 3})
    plan = plan_call(asked, [entry({"input": "1"}, context=8192)])
    assert (plan.input_bound, plan.output_bound) == (len(asked.body.data), 0)
    assert plan.hold == plan.fixed == len(asked.body.data) * 1000


def test_embeddings_of_pictures_are_bounded_by_the_context_of_each() -> None:
    asked = call("embeddings", {"input": [{"type": "image_url", "image_url": {"url": "https://x"}}]})
    assert refused(asked, entry({"input": "1"})).code == "unbounded_input"
    plan = plan_call(asked, [entry({"input": "1", "input_image": "2"}, context=1000)])
    assert plan.hold >= 1000 * 2000


def test_a_model_without_a_rate_for_output_writes_nothing() -> None:
    model = entry({"input": "1"}, context=100, output=100)
    assert refused(call("chat", {"messages": []}), model).code == "unpriced_tokens"
    speech = entry({"per_million_characters": "15"}, context=100, output=100)
    assert refused(call("chat", {"messages": []}), speech).code == "unpriced_tokens"
    assert refused(call("embeddings", {"input": "x"}), speech).code == "unpriced_tokens"


@pytest.mark.parametrize(
    ("body", "dollars"),
    [
        ({}, "0.08"),
        ({"quality": "standard", "size": "1024x1024"}, "0.04"),
        ({"quality": "standard", "size": "512x512"}, "0.02"),
        ({"quality": "hd", "size": "1024x1024"}, "0.08"),
        ({"quality": "hd", "size": "auto"}, "0.08"),
    ],
)
def test_a_picture_is_held_at_what_it_may_be(body: dict[str, Any], dollars: str) -> None:
    model = entry({"per_image": {"default": "0.04", "hd:1024x1024": "0.08", "512x512": "0.02"}})
    plan = plan_call(call("images", {"prompt": "x", **body}, choices=3), [model])
    assert plan.hold == round(float(dollars) * 10**9) * 3


def test_pictures_by_the_token_need_the_most_tokens_of_one() -> None:
    price = {"input": "5", "input_image": "10", "output": "10", "output_image": "40"}
    assert refused(call("images", {"prompt": "x"}), entry(price)).code == "unbounded_output"
    asked = call("images", {"prompt": "x"}, choices=2)
    plan = plan_call(asked, [entry(price, output=8000)])
    assert plan.hold == len(asked.body.data) * 10_000 + 2 * 8000 * 40_000
    shown = call("images", {"prompt": "x", "images": [{"file_id": "f"}]})
    assert plan_call(shown, [entry(price, output=8000)]).input_bound == len(shown.body.data) + PICTURE_TOKENS


def test_speech_is_held_for_its_characters() -> None:
    plan = plan_call(call("speech", {"input": "Grüße"}, stream=True), [entry({"per_million_characters": "15"})])
    assert plan.hold == 5 * 15_000
    asked = call("speech", {"input": "x"})
    assert refused(asked, entry({"input": "1", "output": "12"})).code == "unbounded_output"
    plan = plan_call(asked, [entry({"input": "1", "output": "12"}, output=1000)])
    assert plan.hold == len(asked.body.data) * 1000 + 12_000_000


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (wave(3), 4),  # the head counts as sound too
        (b"ID3" + bytes(9997), 10000 / MP3_BYTES),
        (b"\xff\xfb" + bytes(998), 1),
        (b"OggS" + bytes(1596), 1600 / LEAST_BYTES),
        (b"", 1),
    ],
)
def test_a_recording_is_held_for_as_long_as_its_bytes_can_last(data: bytes, seconds: float) -> None:
    plan = plan_call(recording(data), [entry({"per_second": "1"})])
    expected = seconds if data else 0
    assert plan.hold == expected * 10**9


def test_a_models_longest_sound_bounds_it() -> None:
    assert plan_call(recording(b"OggS" * 1000), [entry({"per_second": "1"}, seconds=30.0)]).hold == 30 * 10**9
    assert plan_call(recording(wave(2)), [entry({"per_second": "1"}, seconds=30.0)]).hold == 3 * 10**9


def test_a_transcription_by_the_token_is_bounded_by_the_context() -> None:
    price = {"input": "2", "input_audio": "6", "output": "10"}
    assert refused(recording(wave(1)), entry(price)).code == "unbounded_input"
    plan = plan_call(recording(wave(1)), [entry(price, context=16000, output=2000)])
    assert plan.hold == 16000 * 6000 + 2000 * 10_000


def test_compressed_waves_and_lying_heads_are_bounded_by_their_bytes() -> None:
    squeezed = wave(1, tag=0x11)
    assert longest(squeezed) == len(squeezed) / LEAST_BYTES
    assert longest(wave(1, rate=0) + bytes(100)) > 0


def test_flac_says_how_long_it_is() -> None:
    info = (8000 << 44 | 15 << 36 | 80_000).to_bytes(8, "big")
    data = b"fLaC\x80\x00\x00\x22" + bytes(10) + info + bytes(16)
    assert longest(data) == 10


@given(st.binary(max_size=200), st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"fLaC\0", b"ID3", b"\xff\xff"]))
def test_any_bytes_have_a_length(noise: bytes, head: bytes) -> None:
    assert longest(head + noise) >= 0


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ({"contents": [{"parts": [{"text": "inlineData"}]}]}, set()),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "aa"}}]}]}, {"image"}),
        ({"contents": [{"parts": [{"inline_data": {"mime_type": "audio/wav", "data": "aa"}}]}]}, {"audio"}),
        ({"contents": [{"parts": [{"fileData": {"mimeType": "video/mp4", "fileUri": "x"}}]}]}, {"video"}),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "x"}}]}]}, {"unknown"}),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "application/pdf", "data": "a"}}]}]}, {"file"}),
        ({"contents": [{"parts": [{"functionCall": {"name": "f", "args": {"inlineData": {"x": 1}}}}]}]}, set()),
        ({"contents": [{"parts": [{"functionResponse": {"parts": [{"inlineData": {"mimeType": "image/png"}}]}}]}]}, {"image"}),
        ({"contents": [{"parts": [{"toolResponse": {"id": "x"}}]}]}, {"reference"}),
        ({"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png"}}]}}, {"image"}),
        ({"cachedContent": "cachedContents/x"}, {"reference"}),
        ({"contents": [{"parts": [{"inline\\u0044ata": {"mimeType": "image/png"}}]}]}, set()),
    ],
)  # fmt: skip
def test_geminis_parts_that_are_no_text_are_found(body: dict[str, Any], kinds: set[str]) -> None:
    assert find_references("gemini", Body(msgspec.json.encode(body))) == kinds


def test_a_key_that_is_spelled_with_escapes_is_found() -> None:
    data = b'{"contents":[{"parts":[{"inline\\u0044ata":{"mimeType":"image/png"}}]}]}'
    assert find_references("gemini", Body(data)) == {"image"}


def test_sound_is_held_at_its_own_rate_and_text_is_not() -> None:
    model = entry({"input": "1", "output": "2", "input_audio": "5", "input_image": "3"}, context=1000, output=100)
    text = gemini({"contents": [{"parts": [{"text": "x"}]}]})
    assert plan_call(text, [model]).fixed == len(text.body.data) * 1000
    for kind, rate in (("audio/wav", 5000), ("image/png", 3000), ("application/pdf", 3000), ("x/y", 5000)):
        asked = gemini({"contents": [{"parts": [{"inlineData": {"mimeType": kind, "data": "aa"}}]}]})
        assert plan_call(asked, [model]).fixed == 1000 * rate


def test_pictures_that_may_be_made_are_held_at_their_rate() -> None:
    model = entry({"input": "1", "output": "2", "output_image": "30"}, context=1000, output=100)
    assert plan_call(gemini({"contents": []}), [model]).output_price == 30_000_000


def test_a_limit_in_the_generation_config_counts_and_one_of_a_gate_is_sent() -> None:
    model = entry({"input": "1", "output": "2"}, context=1000, output=500)
    asked = gemini({"contents": [], "generationConfig": {"maxOutputTokens": 50}}, output_limit=50)
    plan = plan_call(asked, [model])
    assert (plan.output_bound, plan.targets[0].output_limit) == (50, None)
    set_by_gate = gemini({"contents": [], "generationConfig": {"topP": 1}}, output_limit=50)
    assert plan_call(set_by_gate, [model]).targets[0].output_limit == 50


@pytest.mark.parametrize(("tier", "rate"), [(None, 1), ("standard", 1), ("PRIORITY", 3), ("flex", 1)])
def test_geminis_service_tier_is_the_standard_one_unless_asked_for(tier: str | None, rate: int) -> None:
    service = {"flex": {"input": "0.5", "output": "1"}, "priority": {"input": "3", "output": "6"}}
    model = entry({"input": "1", "output": "2", "service": service}, context=1000, output=100)
    asked = gemini({"contents": []} if tier is None else {"contents": [], "serviceTier": tier})
    assert plan_call(asked, [model]).fixed == len(asked.body.data) * rate * 1000


def test_geminis_own_tools_are_held_by_the_use() -> None:
    prices = {"web_search": 35}
    for name in ("googleSearch", "google_search"):
        assert server_tools("gemini", Body(msgspec.json.encode({"tools": [{name: {}}]})), "m", prices) == {
            "web_search": DEFAULT_USES
        }
    free = {"tools": [{"codeExecution": {}}, {"urlContext": {}}, {"functionDeclarations": [{"name": "googleMaps"}]}]}
    assert server_tools("gemini", Body(msgspec.json.encode(free)), "m", prices) == {"code_execution": 0, "web_fetch": 0}
    with pytest.raises(Refused, match="maps"):
        server_tools("gemini", Body(b'{"tools":[{"googleMaps":{}}]}'), "m", prices)


@pytest.mark.parametrize(
    ("extra", "rate"),
    [
        ({}, 1000),
        ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}, 1250),
        ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, 2000),
    ],
)
def test_a_message_is_held_for_the_cache_that_it_can_write_to(extra: dict[str, Any], rate: int) -> None:
    model = entry(
        {"input": "1", "output": "2", "cache_write": "1.25", "cache_write_1h": "2"}, context=10**6, output=100
    )
    asked = call("messages", {"messages": [], "max_tokens": 10, **extra}, output_limit=10, output_key="max_tokens")
    assert plan_call(asked, [model]).fixed == len(asked.body.data) * rate


def test_a_cache_that_is_spelled_with_escapes_is_held_for() -> None:
    model = entry(
        {"input": "1", "output": "2", "cache_write": "1.25", "cache_write_1h": "2"}, context=10**6, output=100
    )
    data = b'{"model":"m","max_tokens":10,"cache\\u005fcontrol":{"ttl":"\\u0031h"}}'
    asked = make_call(data, surface="messages", path="/messages", output_limit=10, output_key="max_tokens")
    assert plan_call(asked, [model]).fixed == len(data) * 2000


COUNT = st.integers(0, 3000)


@given(COUNT, COUNT, st.sampled_from(["audio", "image", "video"]), st.integers(0, 500))
def test_a_gemini_call_never_costs_more_than_its_hold(text: int, part: int, medium: str, output: int) -> None:
    price = {"input": "1", "cached_input": "0.1", "output": "4", "input_audio": "5", "input_video": "2", "output_image": "9",
             "tiers": [{"above": 2000, "input": "2", "output": "8", "input_audio": "10"}]}  # fmt: skip
    model = entry(price, context=6000, output=500)
    body = {"contents": [{"parts": [{"inlineData": {"mimeType": f"{medium}/x", "data": "aa"}}]}]}
    plan = plan_call(gemini(body), [model])
    usage = Usage(
        input_tokens=text + part, output_tokens=output, parts={f"input_{medium}": part, "output_image": output}
    )
    assert plan.targets[0].price.cost(usage) <= plan.hold
