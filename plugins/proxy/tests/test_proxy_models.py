"""The list of models, in the caller's dialect."""

from __future__ import annotations

import pytest

from aexl.api import Limits, Models
from aexl.testing.factories import make_principal

VERSION = ((b"anthropic-version", b"2023-06-01"),)


async def test_openais_list(proxy) -> None:
    got = await proxy.get("/v1/models")
    listed = got.json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["claude-a", "claude-b", "gpt-a", "openai/gpt-oss", "gpt-b"]
    assert listed["data"][0] == {"id": "claude-a", "object": "model", "created": 1_700_000_000, "owned_by": "fake"}
    assert got.header("x-request-id")


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/anthropic/v1/models", ()), ("/v1/models", VERSION), ("/v1/models", ((b"x-api-key", b"t"),))],
)
async def test_anthropics_list(proxy, path: str, headers) -> None:
    got = await proxy.get(path, headers=headers, query="limit=2")
    listed = got.json()
    assert [model["id"] for model in listed["data"]] == ["claude-a", "claude-b"]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (True, "claude-a", "claude-b")
    assert listed["data"][0]["type"] == "model"
    assert listed["data"][0]["created_at"] == "2023-11-14T22:13:20Z"
    assert got.header("request-id")


async def test_anthropics_pages_go_both_ways(proxy) -> None:
    async def page(query: str) -> tuple[list[str], bool]:
        listed = (await proxy.get("/v1/models", headers=VERSION, query=query)).json()
        return [model["id"] for model in listed["data"]], listed["has_more"]

    assert await page("limit=2&after_id=claude-b") == (["gpt-a", "openai/gpt-oss"], True)
    assert await page("limit=2&after_id=openai%2Fgpt-oss") == (["gpt-b"], False)
    assert await page("after_id=gpt-b") == ([], False)
    assert await page("limit=2&before_id=gpt-b") == (["gpt-a", "openai/gpt-oss"], True)
    assert await page("limit=2&before_id=claude-b") == (["claude-a"], False)
    assert await page("limit=1000") == (["claude-a", "claude-b", "gpt-a", "openai/gpt-oss", "gpt-b"], False)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=",
        "limit=-1",
        "after_id=none",
        "before_id=",
        "after_id=gpt-a&before_id=gpt-b",
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(proxy, query: str) -> None:
    got = await proxy.get("/v1/models", headers=VERSION, query=query)
    assert (got.status, got.error["type"]) == (400, "invalid_request_error")


async def test_an_agent_sees_only_the_models_it_may_call(proxy) -> None:
    limited = make_principal(limits=Limits(models=("gpt-*", "claude-b")))
    got = await proxy.get("/v1/models", principal=limited)
    assert [model["id"] for model in got.json()["data"]] == ["claude-b", "gpt-a", "gpt-b"]
    got = await proxy.get("/v1/models/claude-a", principal=limited)
    assert (got.status, got.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("name", ["gpt-a", "openai/gpt-oss"])
async def test_one_model_in_each_dialect(proxy, name: str) -> None:
    got = await proxy.get(f"/v1/models/{name}")
    assert (got.json()["id"], got.json()["object"]) == (name, "model")
    got = await proxy.get(f"/anthropic/v1/models/{name}")
    assert (got.json()["id"], got.json()["type"]) == (name, "model")


async def test_an_unknown_model_is_a_404_in_each_dialect(proxy) -> None:
    got = await proxy.get("/v1/models/gpt-z")
    assert (got.status, got.error["code"], got.error["param"]) == (404, "model_not_found", "model")
    got = await proxy.get("/v1/models/gpt-z", headers=VERSION)
    assert (got.status, got.error["type"]) == (404, "not_found_error")


async def test_without_a_catalog_the_list_is_empty(proxy) -> None:
    del proxy.host.services[Models]
    assert (await proxy.get("/v1/models")).json()["data"] == []
    listed = (await proxy.get("/anthropic/v1/models")).json()
    assert listed == {"data": [], "has_more": False, "first_id": None, "last_id": None}
