"""The hook ``aexl_routes``, by the example of its page in the reference."""

from __future__ import annotations

import httpx

from aexl.core.router import Router
from aexl.testing.accounts import FakeAccounts


async def test_hook_routes(example, make_host):
    host = make_host({"hello": example["HelloPlugin"]})
    accounts = FakeAccounts("alice")
    transport = httpx.ASGITransport(Router(host.mounts(), accounts))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        good = await client.get("/hello", headers={"x-api-key": accounts.token("alice", "read")})
        bad = await client.get("/hello")

    assert good.text == "Hello alice"
    assert bad.status_code == 401
