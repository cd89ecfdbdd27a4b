"""The Model Context Protocol over streamable HTTP."""

from __future__ import annotations

import msgspec
import pytest
import trio

from aexl.errors import Refused
from aexl_plane.http import mcp
from aexl_plane.http.mcp import Place, Sessions

URL = "/mcp/main/demo/dev/shop"
KIND = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.fixture
async def say(deployed):
    """Sends a message to the server ``shop``; begins a session first, unless one is named."""

    async def post(body, *, url=URL, headers=None, session=None):
        named = {} if session is None else {"mcp-session-id": session}
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await deployed.ask("POST", url, headers={**KIND, **named, **(headers or {})}, body=data)

    async def say(method, params=None, **more):
        return await post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}, **more)

    async def begin():
        answered = await say("initialize", {"protocolVersion": "2025-06-18"})
        assert answered.status == 200, answered.body
        return answered.header(b"mcp-session-id").decode()

    say.post, say.begin, say.deployed = post, begin, deployed
    return say


def read(answered):
    return msgspec.json.decode(answered.body)


async def test_a_tool_is_called_and_is_an_execution(say, handlers):
    session = await say.begin()
    tools = read(await say("tools/list", session=session))["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["add", "break"]
    answered = await say("tools/call", {"name": "add", "arguments": {"a": 4}}, session=session)
    assert answered.header(b"content-type") == b"application/json"
    assert read(answered)["result"]["structuredContent"] == {"sum": 5}
    [found] = (await say.deployed.json("GET", say.deployed.executions))["executions"]
    assert (found["kind"], found["handler"], found["status"]) == ("mcp", "shop/add", "ok")
    failed = read(await say("tools/call", {"name": "break"}, session=session))["result"]
    assert failed["isError"] is True
    assert "USER_CODE_ERROR" in failed["content"][0]["text"]


async def test_what_wants_no_answer_is_accepted(say):
    session = await say.begin()
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 4, "result": {}},
    ):
        answered = await say.post(message, session=session)
        assert (answered.status, answered.body) == (202, b"")


async def test_a_session_is_needed_and_ends(say):
    assert (await say("tools/list")).status == 400
    assert (await say("tools/list", session="ghost")).status == 404
    session = await say.begin()
    ended = await say.deployed.ask("DELETE", URL, headers={"mcp-session-id": session})
    assert ended.status == 204
    assert (await say("tools/list", session=session)).status == 404
    assert (await say.deployed.ask("DELETE", URL, headers={"mcp-session-id": session})).status == 404


async def test_a_session_is_one_tokens(say):
    session = await say.begin()
    wanted = {"name": "x", "scopes": ["execute"], "service": True}
    token = (await say.deployed.json("POST", "/api/v1/tokens", json=wanted, status=201))["token"]
    message = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    answered = await say.deployed.plane.ask(
        "POST", URL, token, headers={**KIND, "mcp-session-id": session}, body=message
    )
    assert answered.status == 404
    assert (await say("ping", session=session)).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": "text/html"}, 406),
        ({"accept": "text/event-stream"}, 406),
        ({"accept": "*/*"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"mcp-protocol-version": "1999-01-01"}, 400),
        ({"mcp-protocol-version": "2025-11-25"}, 200),
    ],
)
async def test_headers_are_held_to_the_protocol(say, headers, status):
    session = await say.begin()
    assert (await say("ping", headers=headers, session=session)).status == status


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', b'{"id":1}'])
async def test_what_is_no_message_is_an_error(say, body):
    answered = await say.post(body, session=await say.begin())
    assert answered.status == 400
    assert read(answered)["error"]["code"] in (-32700, -32600)


async def test_there_is_nothing_to_get(say):
    answered = await say.deployed.ask("GET", URL)
    assert (answered.status, answered.header(b"allow")) == (405, b"DELETE, POST")


async def test_a_server_that_is_not_there_is_not_there(say):
    assert (await say("initialize", url="/mcp/main/demo/dev/ghost")).status == 404
    assert (await say("initialize", url="/mcp/main/demo/prod/shop")).status == 404


async def test_sessions_are_bounded_and_end_by_themselves(monkeypatch, autojump_clock):
    monkeypatch.setattr(mcp, "SESSIONS", 2)
    sessions, place = Sessions(), Place("t", "p", "dev", "s")
    first, second = sessions.begin(place), sessions.begin(place)
    sessions.use(first, place)
    third = sessions.begin(place)
    with pytest.raises(Refused):
        sessions.use(second, place)
    sessions.use(first, place)
    await trio.sleep(mcp.IDLE_SECONDS)
    sessions.use(third, place)
    await trio.sleep(1)
    with pytest.raises(Refused):
        sessions.use(first, place)
