"""The hook ``aexl_services``, by the example of its page in the reference."""

from __future__ import annotations


async def test_hook_services(example, make_host):
    host = make_host({"clock": example["ClockPlugin"]})

    assert await host.service(example["Clock"]).now() == 12.0
