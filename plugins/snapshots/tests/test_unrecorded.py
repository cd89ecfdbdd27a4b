"""Every push that lands is an event, once: also one that was killed before it had told the ledger."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from faulty_files import Count, FailAt, FaultyFiles, Killed
from ledger import FakeJournal, LedgerSession, Refusal
from made import commit

from aexl.errors import Unavailable
from aexl.testing.host import FakeHost
from aexl_snapshots.cli.sending import receive, send
from aexl_snapshots.disk.directory import Directory
from aexl_snapshots.events import record_push
from aexl_snapshots.layout import UNRECORDED
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.progress import unwatched
from aexl_snapshots.records import REMEMBERED, Record, Swap, next_record
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.folder import FolderStore
from aexl_snapshots.sync.push import push
from aexl_snapshots.sync.unrecorded import Note, Unrecorded, landed

URL = "faulty://store"


class Project:
    """A project with one push behind it, whose disk, store and ledger fail as ``files`` do."""

    def __init__(self, root):
        self.root = root
        self.host = FakeHost(root)
        self.files = FaultyFiles(Count())
        self.journal = FakeJournal(lambda: self.files.fsync_folder(root), lambda: self.files.fsync_folder(root))
        self.session = LedgerSession(self.host, self.journal)
        self.host.offered_stores["faulty"] = self._open
        commit(Repository.init(root / "here"), {"a": b"0"})
        self.push()

    async def _open(self, _url):
        return FolderStore(Directory(self.root / "store", self.files))

    @property
    def here(self):
        return Repository.open(self.root / "here", files=self.files)

    def commit(self, text):
        commit(Repository.open(self.root / "here"), {"a": text})

    def push(self):
        here = self.here
        return send(self.session, here, "origin", URL, here.head(), tags=True, force=False, meter=unwatched())

    def pull(self):
        return receive(self.session, self.here, "origin", URL, unwatched())

    def landed(self):
        store = Directory(self.root / "store")
        names = [*store.list("heads/"), *store.list("tags/")]
        return Counter(id for name in names for id, _ in Record.decode(store.get(name), name).past)

    def recorded(self):
        return Counter(event["data"]["push"] for event in self.journal.events)

    def notes(self):
        return Repository.open(self.root / "here").directory.list(f"{UNRECORDED}/")


@pytest.fixture
def projects(tmp_path):
    numbers = itertools.count()

    def make():
        root = tmp_path / str(next(numbers))
        root.mkdir()
        return Project(root)

    return make


def kill_at(project, number):
    """Push a commit and a tag, and end it at one of its operations; return how many there are."""
    project.commit(b"1")
    project.here.tag("v1", project.here.head())
    project.files = FaultyFiles(FailAt(number, Killed) if number else Count())
    try:
        project.push()
    except* Killed:
        pass
    seen = project.files._before.seen
    project.files = FaultyFiles(Count())
    return seen


def kill_everywhere(projects, then, step):
    """Kill a push at its operations; hold what is recorded in the end to what landed."""
    late = 0
    for number in range(1, kill_at(projects(), 0) + 1, step):
        project = projects()
        kill_at(project, number)
        then(project)
        assert project.recorded() == project.landed()
        late += any("interrupted" in event["data"] for event in project.journal.events)
        project.commit(b"2")
        project.push()
        assert project.recorded() == project.landed()
        assert project.notes() == []
    return late


THEN = {
    "the same push": lambda project: project.push(),
    "another push": lambda project: (project.commit(b"more"), project.push()),
    "a pull": lambda project: project.pull(),
}


@pytest.mark.slow
@pytest.mark.parametrize("then", THEN)
def test_a_push_that_is_killed_somewhere_is_one_event_if_it_landed(projects, then):
    assert kill_everywhere(projects, THEN[then], 5) >= 1


@pytest.mark.long
@pytest.mark.parametrize("then", THEN)
def test_a_push_that_is_killed_anywhere_is_one_event_if_it_landed(projects, then):
    assert kill_everywhere(projects, THEN[then], 1) >= 5


def test_an_event_that_is_late_says_so(projects):
    project = projects()
    project.commit(b"1")
    project.journal.append = lambda *_: (_ for _ in ()).throw(Killed())
    with pytest.raises(Killed):
        project.push()
    [note] = project.notes()
    del project.journal.append
    project.pull()
    data = project.journal.events[-1]["data"]
    assert note.endswith(data["push"])
    assert 1_700_000_000_000 < data["interrupted"] < 4_000_000_000_000


def test_what_a_ledger_refuses_it_hears_with_the_next_push_or_pull(projects, capsys):
    project = projects()
    project.commit(b"1")

    async def refuse(*_):
        raise Refusal("the disk is full")

    project.journal.append = refuse
    project.push()
    assert "not recorded in the ledger: the disk is full; the next push or pull does that" in capsys.readouterr().err
    del project.journal.append
    project.pull()
    project.pull()
    assert project.recorded() == project.landed()
    assert project.notes() == []


def test_without_a_ledger_nothing_is_noted(projects):
    project = projects()
    (project.root / "ledger.db").unlink()
    project.commit(b"1")
    project.push()
    assert (project.notes(), len(project.journal.events)) == ([], 1)


def test_a_damaged_note_is_named_and_stops_no_push(projects, capsys):
    project = projects()
    kill_at(project, 0)
    path = project.here.path / UNRECORDED / "note"
    path.write_bytes(b"{")
    project.commit(b"2")
    assert project.push().done[0].moved
    assert f"{path} is damaged" in capsys.readouterr().err


def make_note(**changes):
    given = {"push": "ours", "name": "heads/main", "before": None, "after": object_id(b"ours"), "replaces": "first"}
    return Note(**{**given, "bytes": 1, "time": 1, "url": "u", "home": "h", **changes})


def make_record(*pushes):
    record = None
    for name in pushes:
        record = next_record(record, object_id(name.encode()), (), name, 1)
    return record


@pytest.mark.parametrize(
    ("pushes", "expected"),
    [
        (["first", "ours"], True),
        (["first", "ours", *map(str, range(REMEMBERED - 1))], True),
        (["first"], None),
        (["first", "other"], False),
        (["first", *map(str, range(REMEMBERED - 1))], False),
        (["first", *map(str, range(REMEMBERED))], None),
        (["anew"], False),
        ([], False),
    ],
)
def test_what_a_record_says_of_a_swap(here, pushes, expected):
    assert landed(here, make_note(), make_record(*pushes)) is expected


def test_the_first_swap_of_a_head_may_still_land_where_there_is_none(here):
    assert landed(here, make_note(replaces=""), None) is None


def test_behind_more_pushes_than_a_record_remembers_history_tells(here):
    ours = commit(here, {"a": b"1"})
    now = next_record(make_record("first", *map(str, range(REMEMBERED))), commit(here, {"a": b"2"}), (), "last", 1)
    assert landed(here, make_note(after=ours), now) is True
    assert landed(here, make_note(after=commit(here, {"b": b""}, parents=[], move=False)), now) is False


async def test_two_that_were_noted_for_one_snapshot_are_one_push(here, store, tmp_path):
    ours = commit(here, {"a": b"1"})
    await push(here, store, "memory:", ours)
    for number in range(REMEMBERED):
        await push(here, store, "memory:", commit(here, {"a": b"%d" % number, "b": b""}))
    with Unrecorded(here, "memory:", tmp_path) as notes:
        for name in ("one", "two"):
            notes.write(Swap(push=name, name="heads/main", before=None, after=ours, replaces="first", bytes=1, time=1))
    with Unrecorded(here, "memory:", tmp_path) as notes:
        assert len(await notes.find_landed(store)) == 1


async def test_what_another_process_is_at_is_left_to_it(here, store, tmp_path):
    snapshot = commit(here, {"a": b"1"})
    with Unrecorded(here, "memory:", tmp_path) as alive, Unrecorded(here, "memory:", tmp_path) as other:
        pushed = await push(here, store, "memory:", snapshot, announce=alive.write)
        assert await other.find_landed(store) == []
        assert alive.of(pushed.push).after == snapshot
    with Unrecorded(here, "elsewhere:", tmp_path) as other, Unrecorded(here, "memory:", tmp_path / "home") as another:
        assert [await other.find_landed(store), await another.find_landed(store)] == [[], []]
    with Unrecorded(here, "memory:", tmp_path) as later:
        assert [note.push for note in await later.find_landed(store)] == [pushed.push]


async def test_a_note_that_cannot_be_written_ends_the_push_before_the_swap(here, store):
    def refuse(_swap):
        raise Unavailable("the disk is full")

    with pytest.raises(Unavailable, match="full"):
        await push(here, store, "memory:", commit(here, {"a": b"1"}), announce=refuse)
    assert await store.list("heads/") == []


@pytest.mark.parametrize("number", [0, 1, 2, 3, 1000, 5000])
async def test_a_late_push_is_looked_for_only_where_it_may_stand(fake_host, number):
    clock = itertools.count(1, 10)
    journal = FakeJournal(clock=lambda: next(clock))
    LedgerSession(fake_host, journal)
    for _ in range(number):
        await journal.append("other.event", "x", {})
    note = make_note(push="late", time=number * 10_000)
    await record_push(fake_host, note, late=True)
    reads = journal.reads
    await record_push(fake_host, note, late=True)
    assert len(journal.events) == number + 1
    assert reads < 40
