"""The hook ``aexl_subscribers``, by the example of its page in the reference."""

from __future__ import annotations

import trio.testing


async def test_hook_subscribers(example, make_host):
    host = make_host({"listen": example["ListenPlugin"]})
    async with host.running():
        digest = await host.reload()
        await trio.testing.wait_all_tasks_blocked()

    assert example["HEARD"] == [digest]
