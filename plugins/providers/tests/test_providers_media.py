"""Pictures, speech and transcriptions: what is believed to have been consumed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aexl.api import Call, Price, Rates, Usage
from aexl.testing.factories import make_call, make_target
from aexl_providers.media import MediaEvents, MediaReader

TOKENS = Rates(input=5, output=10, parts={"input_image": 8, "output_image": 30, "input_audio": 6})
HOURLY = Price(version="t", rates=Rates(), units={"hour": 1})


def images(body: dict[str, object] | None = None) -> Call:
    return make_call({"model": "m", "prompt": "x", **(body or {})}, surface="images", path="/images/generations")


def usage_of(call: Call, answer: object, price: Price) -> Usage | None:
    reader = MediaReader(call, make_target(price=price))
    reader.read(answer if isinstance(answer, bytes) else msgspec.json.encode(answer))
    assert reader.finished
    return reader.usage


def test_pictures_are_counted_in_the_answer_and_priced_by_what_it_says() -> None:
    price = Price(version="t", rates=Rates(), units={"image": 1, "image:hd": 2, "image:low": 3})
    data = {"data": [{}, {}, {}]}
    assert usage_of(images(), data, price) == Usage(units={"image": 3})
    assert usage_of(images({"quality": "hd"}), data, price) == Usage(units={"image:hd": 3})
    assert usage_of(images({"quality": "auto"}), {**data, "quality": "low"}, price) == Usage(units={"image:low": 3})


def test_pictures_may_cost_by_the_token() -> None:
    told = {
        "input_tokens": 50,
        "output_tokens": 4000,
        "total_tokens": 4050,
        "input_tokens_details": {"image_tokens": 40},
    }
    usage = usage_of(images(), {"data": [{}], "usage": told}, Price(version="t", rates=TOKENS))
    assert usage == Usage(input_tokens=50, output_tokens=4000, parts={"input_image": 40, "output_image": 4000})
    told["output_tokens_details"] = {"text_tokens": 100, "image_tokens": 3900}
    usage = usage_of(images(), {"data": [{}], "usage": told}, Price(version="t", rates=TOKENS))
    assert usage is not None
    assert usage.parts == {"input_image": 40, "output_image": 3900}


def test_speech_costs_by_the_characters_of_the_call() -> None:
    call = make_call({"model": "m", "input": "Grüße 👋"}, surface="speech", path="/audio/speech", stream=True)
    price = Price(version="t", rates=Rates(), units={"character": 1})
    assert usage_of(call, b"ID3 sound", price) == Usage(units={"character": 7})
    assert usage_of(call, b"", price) == Usage(units={"character": 7})


def test_speech_by_the_token_is_told_by_events_alone() -> None:
    call = make_call({"model": "m", "input": "x"}, surface="speech", path="/audio/speech", stream=True)
    price = Price(version="t", rates=TOKENS)
    assert usage_of(call, b"ID3 sound", price) is None
    reader = MediaEvents(call, make_target(price=price))
    reader.feed(b'data: {"type":"speech.audio.delta","audio":"aaaa"}\n\n')
    assert not reader.finished
    reader.feed(
        b'data: {"type":"speech.audio.done","usage":{"input_tokens":3,"output_tokens":9,"total_tokens":12}}\n\n'
    )
    assert reader.finished
    assert reader.usage == Usage(input_tokens=3, output_tokens=9, parts={"output_audio": 9})


@pytest.mark.parametrize(
    ("answer", "milliseconds"),
    [
        ({"text": "x", "usage": {"type": "duration", "seconds": 5}}, 5000),
        ({"text": "x", "duration": 2.3}, 2300),
        ({"text": "x", "duration": 4.8499999046325684}, 4850),
        ({"text": "x", "duration": 1.1, "usage": {"type": "duration", "seconds": 2}}, 2000),
        ({"text": "x", "duration": 0}, 0),
        ({"text": "x"}, None),
        ({"text": "x", "duration": -1}, None),
        ({"text": "x", "duration": 1e300}, None),
        (b"1\n00:00 --> 00:02\nx", None),
        (b"{not json", None),
    ],
)
def test_sound_lasts_as_long_as_the_answer_says(answer: Any, milliseconds: int | None) -> None:
    call = make_call({"model": "m"}, surface="transcriptions", path="/audio/transcriptions")
    expected = None if milliseconds is None else Usage(units={"millisecond": milliseconds})
    assert usage_of(call, answer, HOURLY) == expected


def test_a_transcription_may_cost_by_the_token() -> None:
    call = make_call({"model": "m"}, surface="transcriptions", path="/audio/transcriptions")
    told = {"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18, "input_token_details": {"audio_tokens": 10, "text_tokens": 4}}  # fmt: skip
    price = Price(version="t", rates=TOKENS)
    assert usage_of(call, {"text": "x", "usage": told}, price) == Usage(
        input_tokens=14, output_tokens=4, parts={"input_audio": 10}
    )
    assert usage_of(call, {"text": "x", "usage": {"type": "duration", "seconds": 5}}, price) is None


def test_a_stream_of_pictures_counts_each() -> None:
    price = Price(version="t", rates=Rates(), units={"image": 1})
    reader = MediaEvents(images({"stream": True}), make_target(price=price))
    for kind in ("partial_image", "completed", "completed"):
        reader.feed(b'data: {"type":"image_generation.%b","b64_json":"aa"}\n\n' % kind.encode())
    assert reader.finished
    assert reader.usage == Usage(units={"image": 2})


def test_a_stream_that_ends_with_an_error_is_no_answer() -> None:
    reader = MediaEvents(images({"stream": True}), make_target())
    reader.feed(b'data: {"error":{"message":"x"}}\n\n')
    assert not reader.finished
