"""The Model Context Protocol, message by message."""

import json

import pytest

from aexl.api import Invoked
from aexl.api.mcp import VERSIONS, McpSession
from aexl.errors import Invalid, NotFound, Unavailable

DESCRIBED = {
    "mcp_servers": [{"name": "shop", "tools": ["order", "ghost", "stock"]}, {"name": "other", "tools": []}],
    "handlers": [
        {"kind": "tool", "name": "order", "description": "Order", "input_schema": {"properties": {"sku": {}}}},
        {"kind": "tool", "name": "hidden", "description": None, "input_schema": {"type": "object"}},
        {
            "kind": "mcp",
            "server": "shop",
            "name": "stock",
            "description": None,
            "input_schema": {"type": "object"},
            "output_schema": {"type": "object"},
        },
    ],
}


class Shop:
    def __init__(self):
        self.asked = []

    async def call(self, asked):
        self.asked.append(asked)
        name = asked["tool"]
        if name == "order" and asked["args"].get("sku") == "down":
            raise Unavailable("too many wait")
        error = {"code": "USER_CODE_ERROR", "message": "no"} if name == "order" else None
        answer = {"error": error, "meta": {"logs": []}}
        return Invoked(id="i", ok=error is None, status=200, exit=0, result={"left": 7}, answer=answer)


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def session(shop):
    return McpSession(shop.call, DESCRIBED, server="shop", version="1")


async def ask(session, method, params=None, number=1):
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
    return json.loads(await session.answer(json.dumps(message).encode()))


@pytest.mark.parametrize(
    ("asked", "spoken"), [(VERSIONS[-1], VERSIONS[-1]), ("1999-01-01", VERSIONS[0]), (3, VERSIONS[0])]
)
async def test_a_version_that_is_known_is_spoken_and_else_the_newest(session, asked, spoken):
    result = (await ask(session, "initialize", {"protocolVersion": asked}))["result"]
    assert result["protocolVersion"] == spoken
    assert result["serverInfo"] == {"name": "shop", "version": "1"}


async def test_the_tools_of_the_server_are_listed_and_no_others(session):
    assert (await ask(session, "tools/list"))["result"]["tools"] == [
        {"name": "order", "description": "Order", "inputSchema": {"type": "object", "properties": {"sku": {}}}},
        {"name": "stock", "inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}},
    ]


async def test_a_call_runs_the_tool_of_the_server(session, shop):
    result = (await ask(session, "tools/call", {"name": "stock", "arguments": {"a": 1}}))["result"]
    assert result == {
        "content": [{"type": "text", "text": '{"left": 7}'}],
        "isError": False,
        "structuredContent": {"left": 7},
    }
    assert shop.asked == [{"server": "shop", "tool": "stock", "args": {"a": 1}}]


async def test_a_tool_that_fails_says_so_in_its_result(session):
    result = (await ask(session, "tools/call", {"name": "order"}))["result"]
    assert result == {"content": [{"type": "text", "text": "USER_CODE_ERROR: no"}], "isError": True}


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "hidden"}, -32602),
        ("tools/call", {"name": 3}, -32602),
        ("tools/call", {"name": "stock", "arguments": [1]}, -32602),
        ("tools/call", {"name": "order", "arguments": {"sku": "down"}}, -32603),
        ("resources/list", {}, -32601),
    ],
)
async def test_what_cannot_be_answered_is_an_error(session, method, params, code):
    answer = await ask(session, method, params, number="n")
    assert (answer["error"]["code"], answer["id"]) == (code, "n")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'{"id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}', -32602),
    ],
)
async def test_a_line_that_is_no_request_is_an_error(session, line, code):
    assert json.loads(await session.answer(line))["error"]["code"] == code


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        b'{"jsonrpc": "2.0", "id": 1, "result": {}}',
    ],
)
async def test_what_wants_no_answer_gets_none(session, line):
    assert await session.answer(line) is None


def test_a_server_must_be_named_where_there_are_several(shop):
    def choose(server, described=DESCRIBED):
        return McpSession(shop.call, described, server=server, version="1").server

    with pytest.raises(Invalid, match="has 2 \\(shop, other\\); say which with --server"):
        choose(None)
    with pytest.raises(NotFound, match="no mcp_server 'nope'; it has shop, other"):
        choose("nope")
    with pytest.raises(Invalid, match="declares no mcp_server"):
        choose(None, {"mcp_servers": [], "handlers": []})
    assert choose("other") == "other"
