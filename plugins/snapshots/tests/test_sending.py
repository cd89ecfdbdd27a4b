"""What a push sends, and what it tells the ledger: all that was sent, and nothing else."""

from __future__ import annotations

import pytest
from ledger import FakeJournal, LedgerSession
from made import commit

from aexl_snapshots.cli.sending import send
from aexl_snapshots.progress import unwatched


@pytest.fixture
def pushed(tmp_path, here, fake_host):
    """Push with all tags; return what was done, and what the ledger heard of it."""
    journal = FakeJournal()
    session = LedgerSession(fake_host, journal)

    def push():
        journal.events.clear()
        url = (tmp_path / "store").as_uri()
        return send(session, here, "origin", url, here.head(), tags=True, force=False, meter=unwatched())

    push.journal = journal
    return push


def test_the_ledger_hears_of_the_head_and_of_each_tag_that_was_sent(here, pushed):
    first = commit(here, {"a": b"1"})
    here.tag("v1", first)
    assert [each.moved for each in pushed().done] == [True, True]
    assert pushed.journal.pushes == [("main", "", first), ("v1", "", first)]

    here.tag("v2", first)
    assert [each.moved for each in pushed().done] == [False, False, True]
    assert pushed.journal.pushes == [("v2", "", first)]
    pushed()
    assert pushed.journal.events == []


def test_an_event_says_what_was_sent_and_names_the_push(here, pushed):
    first = commit(here, {"a": b"1"})
    [done] = pushed().done
    [event] = pushed.journal.events
    data = {"head": "main", "from": "", "to": first, "bytes": done.sent, "push": done.push}
    assert (event["kind"], event["data"]) == ("snapshots.push", data)


def test_tags_that_are_refused_keep_nothing_else_from_being_sent(here, pushed):
    first = commit(here, {"a": b"1"})
    for name in ("clash", "other-clash"):
        here.tag(name, first)
    pushed()
    second = commit(here, {"a": b"2"})
    for name in ("clash", "other-clash"):
        here.untag(name)
    for name in ("a", "clash", "m", "other-clash", "z"):
        here.tag(name, second)

    assert pushed().refused == ["clash", "other-clash"]
    assert pushed.journal.pushes == [("main", first, second), *((name, "", second) for name in "amz")]
    assert here.tracked("origin") == {"main": second}
