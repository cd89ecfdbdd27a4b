"""A ledger in memory, and a command's session beside it."""

from __future__ import annotations

import itertools
import time

import trio

from aexl.api import Journal, Receipt
from aexl.errors import AexlError
from aexl_snapshots.options import SnapshotOptions


class FakeJournal:
    """Keeps events as the ledger shows them; ``before`` and ``after`` are called around each append."""

    def __init__(self, before=lambda: None, after=lambda: None, clock=time.time):
        self.events = []
        self.reads = 0
        self._numbers = itertools.count(1)
        self._before = before
        self._after = after
        self._clock = clock

    async def append(self, kind, subject, data):
        self._before()
        number = next(self._numbers)
        self.events.append({"seq": number, "time": self._clock(), "kind": kind, "subject": subject, "data": dict(data)})
        self._after()
        return Receipt(seq=number, hash="")

    async def read(self, after, limit):
        self.reads += 1
        return self.events[after : after + limit]

    @property
    def pushes(self):
        """What moved, from where and to where, of each push."""
        found = [event["data"] for event in self.events if event["kind"] == "snapshots.push"]
        return [(data.get("head") or data["tag"], data["from"], data["to"]) for data in found]


class LedgerSession:
    """A session beside a ledger; without one if there is no ``journal``."""

    def __init__(self, host, journal=None):
        self.home = host.data_dir
        self._host = host
        if journal is not None:
            host.services[Journal] = journal
            (self.home / "ledger.db").touch()

    def section(self, _table, _kind):
        return SnapshotOptions()

    def running(self):
        return None

    def run(self, work):
        return trio.run(work, self._host)


class Refusal(AexlError):
    """What a ledger says that cannot be had."""
