"""The Model Context Protocol over standard input and output."""

import json
import os

import pytest
import trio

from aexl.api import Invoked
from aexl.api.mcp import McpSession
from aexl_runtime.mcp.serving import serve_stdio


async def run_nothing(asked):
    return Invoked(id="i", ok=True, status=200, exit=0, result=asked, answer={"error": None})


@pytest.fixture
def session():
    described = {"mcp_servers": [{"name": "shop", "tools": []}], "handlers": []}
    return McpSession(run_nothing, described, server="shop", version="1")


async def test_messages_over_pipes_are_answered_until_the_input_ends(session):
    (theirs, ours), (reading, writing) = os.pipe(), os.pipe()
    async with (
        trio.lowlevel.FdStream(ours) as source,
        trio.lowlevel.FdStream(reading) as target,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(serve_stdio, session, theirs, writing)
        await source.send_all(b'{"jsonrpc":"2.0","id":1,"met')
        await source.send_all(b'hod":"ping"}\n\n{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
        said = b""
        while said.count(b"\n") < 2:
            said += await target.receive_some(1000)
        await source.aclose()
    assert sorted(json.loads(line)["id"] for line in said.splitlines()) == [1, 2]
