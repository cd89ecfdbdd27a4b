"""The right to collect garbage in a store, for a while: one gc at a time."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from aexl.api import BlobStore
from aexl.errors import HeadMoved, NotFound, Unavailable

NAME: Final = "gc/lease"
SECONDS: Final = 600.0
SKEW: Final = 60.0
"""Seconds by which two machines' clocks may differ."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the lease.

    Attributes:
        until: Milliseconds since 1970.
    """

    owner: str
    until: int


class GcLease:
    """A lease that ends by itself: a gc that was killed keeps nobody out for longer than eleven minutes.

    Args:
        owner: Unique to this run.
    """

    def __init__(self, store: BlobStore, where: str, owner: str) -> None:
        self._store = store
        self._where = where
        self._owner = owner
        self._version: str | None = None

    async def take(self) -> None:
        """Take it.

        Raises:
            Unavailable: If another gc has it; says until when.
        """
        try:
            data, version = await self._store.get_versioned(NAME)
        except NotFound:
            await self._swap(None)
            return
        try:
            held = msgspec.json.decode(data, type=Held)
        except (msgspec.DecodeError, UnicodeDecodeError):
            held = Held(owner="", until=0)  # damaged: nobody can hold it
        if held.owner != self._owner and time.time() < held.until / 1000 + SKEW:
            left = max(1, round(held.until / 1000 + SKEW - time.time()))
            raise Unavailable(f"another gc works at {self._where}; it is done, or gives up, within {left} seconds")
        await self._swap(version)

    async def renew(self) -> None:
        """Have it for another ten minutes.

        Raises:
            Unavailable: If it is lost.
        """
        await self._swap(self._version)

    async def give_back(self) -> None:
        """End it."""
        if self._version is not None:
            await self._swap(self._version, seconds=-SKEW)
            self._version = None

    async def _swap(self, version: str | None, seconds: float = SECONDS) -> None:
        held = Held(owner=self._owner, until=int((time.time() + seconds) * 1000))
        try:
            self._version = await self._store.put_if_match(NAME, msgspec.json.encode(held), version=version)
        except HeadMoved as error:
            self._version = None
            raise Unavailable(f"another gc has begun at {self._where}; this one stops, and nothing is lost") from error
