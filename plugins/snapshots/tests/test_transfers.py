"""What a push tells the ledger: all that was sent, and nothing else."""

from __future__ import annotations

import pytest
import trio
from made import commit

from aexl.api import Journal, Receipt
from aexl.errors import Conflict
from aexl_snapshots.cli.transfers import send
from aexl_snapshots.options import SnapshotOptions
from aexl_snapshots.progress import unwatched


class FakeJournal:
    def __init__(self):
        self.events = []

    async def append(self, kind, subject, data):
        self.events.append((kind, data.get("head") or data["tag"], data["from"], data["to"]))
        return Receipt(seq=len(self.events), hash=b"")


class FakeSession:
    """A session beside a ledger."""

    def __init__(self, host):
        self.home = host.data_dir
        self._host = host
        (self.home / "ledger.db").touch()

    def section(self, _table, _kind):
        return SnapshotOptions()

    def running(self):
        return None

    def run(self, work):
        return trio.run(work, self._host)


@pytest.fixture
def pushed(tmp_path, here, fake_host):
    """Push with all tags; return what was done, and what the ledger heard of it."""
    journal = fake_host.services[Journal] = FakeJournal()
    session = FakeSession(fake_host)

    def push():
        journal.events.clear()
        url = (tmp_path / "store").as_uri()
        return send(session, here, "origin", url, here.head(), tags=True, force=False, meter=unwatched())

    push.events = journal.events
    return push


def test_the_ledger_hears_of_the_head_and_of_each_tag_that_was_sent(here, pushed):
    first = commit(here, {"a": b"1"})
    here.tag("v1", first)
    assert [each.moved for each in pushed()] == [True, True]
    assert pushed.events == [("snapshots.push", "main", "", first), ("snapshots.push", "v1", "", first)]

    here.tag("v2", first)
    assert [each.moved for each in pushed()] == [False, False, True]
    assert pushed.events == [("snapshots.push", "v2", "", first)]
    pushed()
    assert pushed.events == []


def test_a_tag_that_is_refused_takes_nothing_back_of_what_was_sent_before_it(here, pushed):
    first = commit(here, {"a": b"1"})
    here.tag("clash", first)
    pushed()
    second = commit(here, {"a": b"2"})
    here.untag("clash")
    here.tag("clash", second)
    here.tag("a", second)
    with pytest.raises(Conflict, match="has a tag clash already"):
        pushed()
    assert pushed.events == [("snapshots.push", "main", first, second), ("snapshots.push", "a", "", second)]
    assert here.tracked("origin") == {"main": second}
