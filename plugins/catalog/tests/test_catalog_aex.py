"""An AEX ``models.yaml``, as tables of ours."""

from __future__ import annotations

from typing import Any

import pytest

from aexl.errors import Invalid
from aexl_catalog.aex import convert


def document(**changes: Any) -> dict[str, Any]:
    model = {
        "provider": "openai",
        "provider_model": "gpt-4o",
        "pricing": {"input_micro": 250, "output_micro": 1000},
        "limits": {"max_tokens": 8192},
        "capabilities": {"tools": True, "vision": False},
    }
    return {
        "version": 1,
        "default_model": "gpt-4o",
        "providers": {"openai": {"type": "openai_compatible", "base_url": "https://api.openai.com"}},
        "models": {"gpt-4o": {**model, **changes}},
    }


def test_a_file_converts_exactly() -> None:
    imported = convert(document())
    assert imported.providers["openai"] == {
        "type": "openai",
        "base_url": "https://api.openai.com/v1",
        "api_key_env": "OPENAI_API_KEY",
    }
    assert imported.models["gpt-4o"] == {
        "provider": "openai",
        "provider_model": "gpt-4o",
        "price": {"input": "250", "output": "1000"},
        "limits": {"output": 8192, "enforce": True},
    }
    assert any("/v1" in remark for remark in imported.remarks)
    assert any("default_model" in remark for remark in imported.remarks)


def test_a_model_that_cost_nothing_is_free() -> None:
    assert convert(document(pricing={"input_micro": 0, "output_micro": 0})).models["gpt-4o"]["free"] is True


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://192.168.1.5/v1", True),
        ("https://8.8.8.8/v1", False),
        ("https://api.groq.com/openai/v1", False),
    ],
)
def test_a_provider_on_this_network_is_private(url: str, private: bool) -> None:
    given = document()
    given["providers"]["openai"]["base_url"] = url
    assert ("private" in convert(given).providers["openai"]) is private


def test_a_providers_variable_is_named_as_aex_did() -> None:
    given = document(provider="my-groq")
    given["providers"] = {"my-groq": {"base_url": "https://x/v1"}}
    assert convert(given).providers["my-groq"]["api_key_env"] == "MY_GROQ_API_KEY"


@pytest.mark.parametrize(
    "changes",
    [
        {"pricing": {"input_micro": -1}},
        {"pricing": {"input_micro": 1.5}},
        {"pricing": {"input_micro": True}},
        {"pricing": 3},
        {"limits": {"max_tokens": 0}},
        {"provider": "nobody"},
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"models\.gpt-4o"):
        convert(document(**changes))


@pytest.mark.parametrize("given", [None, [], {"version": 2}, {"version": 1, "providers": {"x": {"base_url": 1}}}])
def test_another_file_is_refused(given: object) -> None:
    with pytest.raises(Invalid):
        convert(given)


def test_unknown_keys_are_said_to_be_left_out() -> None:
    assert any("colour" in remark for remark in convert(document(colour="red")).remarks)
