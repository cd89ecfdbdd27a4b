"""What every store of snapshots promises, as tests, and a store in memory that keeps those promises."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

import pytest
import trio

from aexl.api import BlobStore
from aexl.errors import HeadMoved, Invalid, NotFound, Unavailable

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,199}){0,7}", re.ASCII)

Fault = Literal["lost request", "lost answer"]

OpenStore = Callable[[], Awaitable[BlobStore]]
"""Opens a store that the test alone uses; asked again, it opens the same one again."""


class FakeStore:
    """A store in memory.

    Args:
        fault: Asked with the operation (the method's name) and the name before each
            one; ``lost request`` fails it before anything happens, ``lost answer`` after.

    Attributes:
        blobs: What it holds, by name.
        seen: What was asked of it: operation and name.
    """

    def __init__(self, fault: Callable[[str, str], Fault | None] = lambda _operation, _name: None) -> None:
        self.blobs: dict[str, bytes] = {}
        self.seen: list[tuple[str, str]] = []
        self.fault = fault

    async def _ask(self, operation: str, name: str) -> Fault | None:
        if operation != "list" and _NAME.fullmatch(name) is None:
            raise Invalid(f"{name!r} cannot name anything in a store")
        await trio.lowlevel.checkpoint()
        self.seen.append((operation, name))
        fault = self.fault(operation, name)
        if fault == "lost request":
            raise Unavailable(f"the request for {name} was lost")
        return fault

    def _answer(self, fault: Fault | None, name: str) -> None:
        if fault == "lost answer":
            raise Unavailable(f"the answer for {name} was lost")

    async def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        self._answer(await self._ask("get", name), name)
        return self._find(name)[start : None if length is None else start + length]

    async def get_versioned(self, name: str) -> tuple[bytes, str]:
        self._answer(await self._ask("get_versioned", name), name)
        return self._find(name), _version(self._find(name))

    def _find(self, name: str) -> bytes:
        if name not in self.blobs:
            raise NotFound(f"there is no {name}")
        return self.blobs[name]

    async def put_if_absent(self, name: str, data: bytes) -> bool:
        fault = await self._ask("put_if_absent", name)
        written = name not in self.blobs
        self.blobs.setdefault(name, bytes(data))
        self._answer(fault, name)
        return written

    async def put_if_match(self, name: str, data: bytes, *, version: str | None) -> str:
        fault = await self._ask("put_if_match", name)
        found = _version(self.blobs[name]) if name in self.blobs else None
        if found == version:
            self.blobs[name] = bytes(data)
        self._answer(fault, name)
        if found != version:
            raise HeadMoved(f"{name} is no longer what it was")
        return _version(data)

    async def list(self, prefix: str) -> Sequence[str]:
        self._answer(await self._ask("list", prefix), prefix)
        return sorted(name for name in self.blobs if name.startswith(prefix))

    async def delete(self, name: str) -> None:
        fault = await self._ask("delete", name)
        self.blobs.pop(name, None)
        self._answer(fault, name)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class SeededFaults:
    """Loses requests and answers by a seed, for ``FakeStore``.

    Args:
        share: Of all operations, between 0 and 1.
    """

    def __init__(self, seed: int, share: float) -> None:
        self._random = random.Random(seed)
        self._share = share

    def __call__(self, operation: str, name: str) -> Fault | None:  # noqa: ARG002 - a fault may ask for them
        if self._random.random() >= self._share:
            return None
        return self._random.choice(("lost request", "lost answer"))


class BlobStoreConformance:
    """Derive a test class from this one, with a fixture ``open_store`` that returns an ``OpenStore``."""

    async def test_what_was_put_can_be_got(self, open_store: OpenStore) -> None:
        store = await open_store()
        assert await store.put_if_absent("packs/one.pack", b"some bytes") is True
        assert await store.get("packs/one.pack") == b"some bytes"

    async def test_it_is_there_when_the_store_is_opened_again(self, open_store: OpenStore) -> None:
        await (await open_store()).put_if_absent("packs/one.pack", b"some bytes")
        assert await (await open_store()).get("packs/one.pack") == b"some bytes"

    async def test_what_is_not_there_is_not_found(self, open_store: OpenStore) -> None:
        store = await open_store()
        for ask in (store.get("heads/none"), store.get_versioned("heads/none"), store.get("heads/none", start=1)):
            with pytest.raises(NotFound):
                await ask

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, 4, b"0123"),
            (3, 4, b"3456"),
            (6, None, b"6789"),
            (0, None, b"0123456789"),
            (9, 1, b"9"),
            (8, 100, b"89"),
            (10, 1, b""),
            (10, None, b""),
            (50, 5, b""),
            (2, 0, b""),
        ],
    )
    async def test_a_range_is_what_exists_of_it(
        self, open_store: OpenStore, start: int, length: int | None, expected: bytes
    ) -> None:
        store = await open_store()
        await store.put_if_absent("packs/range", b"0123456789")
        assert await store.get("packs/range", start=start, length=length) == expected

    async def test_no_bytes_are_bytes_too(self, open_store: OpenStore) -> None:
        store = await open_store()
        assert await store.put_if_absent("packs/empty", b"") is True
        assert await store.get("packs/empty") == b""
        assert await store.put_if_absent("packs/empty", b"x") is False

    async def test_a_name_that_exists_is_not_written_again(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put_if_absent("tags/v1", b"first")
        assert await store.put_if_absent("tags/v1", b"second") is False
        assert await store.get("tags/v1") == b"first"

    async def test_of_many_who_write_a_new_name_one_wins(self, open_store: OpenStore) -> None:
        store = await open_store()
        won: list[bytes] = []

        async def put(data: bytes) -> None:
            if await store.put_if_absent("tags/race", data):
                won.append(data)

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(put, b"%d" % number)
        assert won == [await store.get("tags/race")]

    async def test_a_head_begins_where_there_was_none(self, open_store: OpenStore) -> None:
        store = await open_store()
        version = await store.put_if_match("heads/main", b"one", version=None)
        assert await store.get_versioned("heads/main") == (b"one", version)

    async def test_a_head_that_exists_does_not_begin_again(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put_if_match("heads/main", b"one", version=None)
        with pytest.raises(HeadMoved):
            await store.put_if_match("heads/main", b"two", version=None)
        assert await store.get("heads/main") == b"one"

    async def test_a_head_moves_from_the_version_that_was_read(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put_if_match("heads/main", b"one", version=None)
        _, version = await store.get_versioned("heads/main")
        second = await store.put_if_match("heads/main", b"two", version=version)
        assert second != version
        assert await store.get_versioned("heads/main") == (b"two", second)

    async def test_a_head_does_not_move_from_an_older_version(self, open_store: OpenStore) -> None:
        store = await open_store()
        first = await store.put_if_match("heads/main", b"one", version=None)
        await store.put_if_match("heads/main", b"two", version=first)
        with pytest.raises(HeadMoved):
            await store.put_if_match("heads/main", b"three", version=first)
        assert await store.get("heads/main") == b"two"

    async def test_a_head_that_is_gone_does_not_move(self, open_store: OpenStore) -> None:
        store = await open_store()
        version = await store.put_if_match("heads/main", b"one", version=None)
        await store.delete("heads/main")
        with pytest.raises(HeadMoved):
            await store.put_if_match("heads/main", b"two", version=version)
        assert list(await store.list("heads/")) == []

    async def test_of_twelve_who_move_a_head_at_once_one_wins_each_time(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put_if_match("heads/main", b"0", version=None)
        moved: list[int] = []

        async def count() -> None:
            while True:
                data, version = await store.get_versioned("heads/main")
                try:
                    await store.put_if_match("heads/main", b"%d" % (int(data) + 1), version=version)
                except HeadMoved:
                    continue
                moved.append(int(data))
                return

        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(count)
        assert sorted(moved) == list(range(12))
        assert await store.get("heads/main") == b"12"

    async def test_a_list_has_the_names_that_begin_so_sorted(self, open_store: OpenStore) -> None:
        store = await open_store()
        for name in ("heads/main", "heads/mine", "heads-up", "packs/a.pack", "heads/other", "format"):
            await store.put_if_absent(name, b"x")
        assert list(await store.list("heads/")) == ["heads/main", "heads/mine", "heads/other"]
        assert list(await store.list("heads/m")) == ["heads/main", "heads/mine"]
        assert list(await store.list("tags/")) == []
        assert len(await store.list("")) == 6

    async def test_a_long_list_is_complete(self, open_store: OpenStore) -> None:
        store = await open_store()
        names = [f"packs/{number:04}.pack" for number in range(1005)]
        async with trio.open_nursery() as nursery:
            for part in range(5):
                nursery.start_soon(_put_all, store, names[part::5])
        assert list(await store.list("packs/")) == names

    async def test_what_was_deleted_is_gone_and_may_come_again(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.put_if_absent("packs/one.pack", b"x")
        await store.delete("packs/one.pack")
        with pytest.raises(NotFound):
            await store.get("packs/one.pack")
        await store.delete("packs/one.pack")
        assert await store.put_if_absent("packs/one.pack", b"y") is True

    @pytest.mark.parametrize(
        "name",
        ["", "/", "../up", "a/../b", "/absolute", ".hidden", "a//b", "a/", "sp ace", "a\\b", "a\x00b", "é", "-a"],
    )
    async def test_a_name_that_leads_elsewhere_is_refused(self, open_store: OpenStore, name: str) -> None:
        store = await open_store()
        for ask in (store.get(name), store.put_if_absent(name, b"x"), store.delete(name)):
            with pytest.raises(Invalid):
                await ask

    @pytest.mark.slow
    async def test_sixteen_mebibytes_come_back_whole(self, open_store: OpenStore) -> None:
        store = await open_store()
        data = random.Random(1).randbytes(1 << 16) * 256
        await store.put_if_absent("packs/large.pack", data)
        assert await store.get("packs/large.pack") == data
        assert await store.get("packs/large.pack", start=len(data) - 56, length=56) == data[-56:]

    async def test_a_cancelled_request_leaves_the_store_usable(self, open_store: OpenStore) -> None:
        store = await open_store()
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.put_if_absent("packs/one.pack", b"x")
        assert scope.cancelled_caught
        await store.delete("packs/one.pack")
        assert await store.put_if_absent("packs/one.pack", b"x") is True


async def _put_all(store: BlobStore, names: Sequence[str]) -> None:
    for name in names:
        await store.put_if_absent(name, b"x")
