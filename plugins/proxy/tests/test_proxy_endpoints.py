"""The endpoints beside conversations: what is read of their bodies, JSON and forms."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aexl.api import Body
from aexl.api.form import Form
from aexl.errors import Refused
from aexl.testing.answers import FakeAnswer
from aexl_proxy.endpoints import read_completions, read_images, read_moderations, read_speech, read_transcriptions

FORM = b"multipart/form-data; boundary=b"


def body(**values: Any) -> Body:
    return Body(msgspec.json.encode({"model": "m", **values}))


def form_data(**values: str) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in values.items()
    ]
    return "".join(parts).encode() + b"--b--\r\n"


def form(**values: str) -> Form:
    return Form(form_data(model="m", **values), FORM)


@pytest.mark.parametrize(
    ("values", "choices"),
    [
        ({"prompt": "x"}, 1),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": ["x", "y"]}, 2),
        ({"prompt": [[1], [2], [3]]}, 3),
        ({"prompt": ["x", "y"], "n": 2, "best_of": 5}, 10),
        ({}, 1),
    ],
)
def test_each_prompt_is_answered_as_often_as_is_asked(values: dict[str, Any], choices: int) -> None:
    assert read_completions(body(**values)).choices == choices


def test_a_completions_limit_and_stream_are_read() -> None:
    wish = read_completions(body(prompt="x", max_tokens=7, stream=True, stream_options={"include_usage": True}))
    assert (wish.output_limit, wish.output_key, wish.stream) == (7, "max_tokens", True)
    with pytest.raises(Refused, match="stream_options"):
        read_completions(body(prompt="x", stream_options={"include_usage": True}))


def test_moderations_need_no_model() -> None:
    assert read_moderations(Body(b'{"input":"x"}')).model == "omni-moderation-latest"
    assert read_moderations(body(input="x")).model == "m"


@pytest.mark.parametrize("make", [body, form])
def test_pictures_are_counted_in_json_and_in_forms(make: Any) -> None:
    assert read_images(make()).choices == 1
    assert read_images(make(n=3 if make is body else "3")).choices == 3
    assert read_images(make(stream=True if make is body else "true")).stream
    for wrong in (0, 129, "x", "1.5", "99999999999", "-1"):
        with pytest.raises(Refused, match="n must be"):
            read_images(make(n=wrong if make is body else str(wrong)))


def test_flags_and_words_that_are_none_are_refused() -> None:
    with pytest.raises(Refused, match="stream must be"):
        read_transcriptions(form(stream="1"))
    with pytest.raises(Refused, match="size must be"):
        read_images(body(size=[1024]))
    with pytest.raises(Refused, match="input is missing"):
        read_speech(body())
    with pytest.raises(Refused, match="model is missing"):
        read_images(Body(b'{"prompt":"x"}'))


@pytest.mark.parametrize(
    ("path", "surface", "values"),
    [
        ("/completions", "completions", {"prompt": "x"}),
        ("/embeddings", "embeddings", {"input": "x"}),
        ("/moderations", "moderations", {"input": "x"}),
        ("/images/generations", "images", {"prompt": "x"}),
        ("/images/edits", "images", {"prompt": "x", "images": []}),
        ("/audio/speech", "speech", {"input": "x"}),
    ],
)
async def test_each_path_is_a_call_of_its_surface(proxy: Any, path: str, surface: str, values: dict[str, Any]) -> None:
    proxy.script(FakeAnswer(b"{}"))
    got = await proxy.post(f"/v1{path}", {"model": "m", **values})
    assert got.status == 200
    assert (proxy.call.surface, proxy.call.path) == (surface, path)


@pytest.mark.parametrize(
    "path", ["/images/edits", "/images/variations", "/audio/transcriptions", "/audio/translations"]
)
async def test_a_form_is_taken_where_the_api_takes_forms(proxy: Any, path: str) -> None:
    proxy.script(FakeAnswer(b"{}"))
    data = form_data(model="m")
    got = await proxy.request("POST", f"/v1{path}", data, headers=((b"content-type", FORM),))
    assert got.status == 200
    assert isinstance(proxy.call.body, Form)
    assert proxy.call.body.encode() == data
    assert (b"content-type", FORM) in proxy.call.headers


async def test_a_form_is_not_taken_elsewhere_nor_compressed_nor_malformed(proxy: Any) -> None:
    headers = ((b"content-type", FORM),)
    got = await proxy.request("POST", "/v1/embeddings", form_data(model="m"), headers=headers)
    assert (got.status, got.error["code"]) == (415, "unsupported_media_type")
    zipped = (*headers, (b"content-encoding", b"gzip"))
    got = await proxy.request("POST", "/v1/audio/transcriptions", form_data(model="m"), headers=zipped)
    assert (got.status, got.error["code"]) == (415, "unsupported_media_type")
    got = await proxy.request("POST", "/v1/audio/transcriptions", b"nonsense", headers=headers)
    assert (got.status, got.error["code"]) == (400, "invalid_form")
    assert proxy.host.calls == []
