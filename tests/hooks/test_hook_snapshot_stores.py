"""The hook ``aexl_snapshot_stores``, by the example of its page in the reference."""

from __future__ import annotations


async def test_hook_snapshot_stores(example, make_host):
    host = make_host({"memory": example["MemoryStorePlugin"]})
    store = await host.stores()["memory"]("memory://here")

    assert store.url == "memory://here"
