"""The hook ``aexl_settlement``, by the example of its page in the reference."""

from __future__ import annotations


def test_hook_settlement(example, make_host):
    host = make_host({"memory": example["MemoryPlugin"]})

    assert host.path.book.name == "fake"
