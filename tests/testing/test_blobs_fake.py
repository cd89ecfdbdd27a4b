"""The store in memory keeps what stores promise, and loses what it is told to lose."""

from __future__ import annotations

import pytest

from aexl.errors import Unavailable
from aexl.testing.blobs import BlobStoreConformance, FakeStore, SeededFaults


class TestFakeStore(BlobStoreConformance):
    @pytest.fixture
    def open_store(self):
        store = FakeStore()

        async def open_it():
            return store

        return open_it


async def test_a_lost_request_changes_nothing_and_a_lost_answer_everything():
    store = FakeStore()
    for fault, there in (("lost request", False), ("lost answer", True)):
        store.fault = lambda _operation, _name, fault=fault: fault
        with pytest.raises(Unavailable):
            await store.put_if_absent("packs/a", b"x")
        assert ("packs/a" in store.blobs) is there


def test_the_same_seed_loses_the_same():
    one, other = SeededFaults(7, 0.3), SeededFaults(7, 0.3)
    seen = [one("get", "a") for _ in range(100)]

    assert seen == [other("get", "a") for _ in range(100)]
    assert {"lost request", "lost answer", None} == set(seen)
