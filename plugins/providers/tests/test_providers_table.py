"""``[providers.<name>]``: what is accepted, and how a mistake is named."""

from __future__ import annotations

import pytest

from aexl.errors import ConfigError
from aexl_providers.table import read_table


def problems(**table: object) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read_table("groq", {"type": "openai", **table})
    return {problem.key: problem.message for problem in caught.value.problems}


def test_a_full_table_is_read() -> None:
    table = read_table(
        "groq",
        {
            "type": "openai",
            "base_url": "https://api.groq.com/openai/v1",
            "api_key_env": "GROQ_API_KEY",
            "private": True,
            "timeouts": {"connect": 1, "first_byte": 2.5},
            "connections": 7,
            "http2": True,
            "headers": {"x-team": "blue"},
            "stream_usage": False,
            "output_limit_key": "max_tokens",
        },
    )
    upstream = table.upstream
    assert (upstream.private, upstream.connect, upstream.first_byte, upstream.idle) == (True, 1, 2.5, 300)
    assert (upstream.connections, upstream.http2) == (7, True)


def test_unknown_keys_are_all_named_with_suggestions() -> None:
    found = problems(base_urll="x", timeouts={"conect": 1}, colour="red")
    assert "base_url" in found["providers.groq.base_urll"]
    assert "connect" in found["providers.groq.timeouts.conect"]
    assert "providers.groq.colour" in found


def test_a_key_in_the_file_is_refused_with_the_way_to_give_it() -> None:
    assert "api_key_env" in problems(api_key="sk-secret")["providers.groq.api_key"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "api.openai.com/v1",
        "https://",
        "https://u:p@x/v1",
        "https://x/v1?key=1",
        "https://x/v1#a",
        "https://x/v1?",
        "https://x:99999/v1",
        "https://x/ v1",
        "http://[::1",
    ],
)
def test_a_base_url_of_another_form_is_refused(url: str) -> None:
    assert "providers.groq.base_url" in problems(base_url=url)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timeouts", {"idle": 0}),
        ("timeouts", {"idle": -1}),
        ("connections", 0),
        ("private", "yes"),
        ("headers", {"x": 1}),
        ("base_url", 5),
    ],
)
def test_a_value_of_a_wrong_kind_is_named(key: str, value: object) -> None:
    (name,) = problems(**{key: value})
    assert name.startswith(f"providers.groq.{key}")


@pytest.mark.parametrize("header", ["host", "Content-Length", "bad name", "x\n"])
def test_a_header_that_aexl_sets_or_cannot_be_is_refused(header: str) -> None:
    assert f"providers.groq.headers.{header}" in problems(headers={header: "v"})


def test_a_header_value_with_a_line_break_is_refused() -> None:
    assert problems(headers={"x-team": "a\r\nb: c"})


def test_a_key_in_place_of_its_variable_is_refused_without_showing_it() -> None:
    (message,) = problems(api_key_env="sk-live-123").values()
    assert "sk-live" not in message
