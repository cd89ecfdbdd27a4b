"""The hook ``aexl_lifespan``, by the example of its page in the reference."""

from __future__ import annotations


async def test_hook_lifespan(example, make_host):
    host = make_host({"door": example["DoorPlugin"]})
    async with host.running():
        assert example["LOG"] == ["open"]

    assert example["LOG"] == ["open", "closed"]
