"""The hook ``aexl_health_checks``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.core import health


async def test_hook_health_checks(example, make_host):
    checks = make_host({"disk": example["DiskPlugin"]}).health_checks()
    results = await health.ask(checks)

    assert results == {"disk": "the disk is full: make room in AEXL_HOME"}
    assert not health.failed(checks, results)
