"""Heads, tags, pins, remotes and history of a repository."""

from __future__ import annotations

import threading

import pytest
from made import commit, contents

from aexl.errors import Conflict, HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots import history
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.repository import PLACE, Repository


@pytest.fixture
def repository(tmp_path):
    return Repository.init(tmp_path)


def test_a_repository_is_found_from_any_folder_below(repository):
    below = repository.root / "a" / "b"
    below.mkdir(parents=True)

    assert Repository.find(below).root == repository.root
    with pytest.raises(NotFound, match="snapshot init"):
        Repository.find(repository.root.parent)
    with pytest.raises(NotFound, match="snapshot init"):
        Repository.open(below)


def test_init_of_one_that_is_there_keeps_it(repository):
    first = commit(repository, {"a": b"1"})

    assert Repository.init(repository.root).head() == first


def test_another_format_is_refused(repository):
    (repository.root / PLACE / "format").write_bytes(b"aexl-snapshots 2\n")
    with pytest.raises(Invalid, match="update aexl"):
        Repository.open(repository.root)


def test_a_head_moves_only_from_where_it_is(repository):
    first = commit(repository, {"a": b"1"})
    second = commit(repository, {"a": b"2"}, move=False)
    for wrong in (None, second):
        with pytest.raises(HeadMoved):
            repository.move_head(second, expected=wrong)
    repository.move_head(second, expected=first)

    assert repository.head() == second
    assert Repository.open(repository.root).heads() == {"main": second}


def test_a_head_never_points_to_what_is_not_there(repository):
    with pytest.raises(NotFound):
        repository.move_head(object_id(b"nothing"), expected=None)
    [blob] = repository.put_blobs([b"no snapshot"])
    with pytest.raises(Invalid):
        repository.move_head(blob, expected=None)


def test_of_many_threads_that_move_a_head_each_move_counts(repository):
    commit(repository, {"a": b"0"})
    done = []

    def work(number):
        mine = Repository.open(repository.root)
        for step in range(5):
            while True:
                try:
                    done.append(commit(mine, {"a": b"%d %d" % (number, step)}))
                    break
                except HeadMoved:
                    continue

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    repository.packs.refresh()
    assert {id for id, _ in repository.log(repository.head())} >= set(done)
    assert len(set(done)) == 20


def test_tags_stay(repository):
    first = commit(repository, {"a": b"1"})
    second = commit(repository, {"a": b"2"})
    repository.tag("v1", first)
    repository.tag("v1", first)
    for head in ("main", "HEAD"):
        with pytest.raises(Conflict, match=f"{head} means a head"):
            repository.tag(head, first)
    with pytest.raises(Conflict, match="v1"):
        repository.tag("v1", second)
    assert repository.tags() == {"v1": first}
    repository.untag("v1")
    with pytest.raises(NotFound):
        repository.untag("v1")


def test_pins_move(repository):
    first, second = commit(repository, {"a": b"1"}), commit(repository, {"a": b"2"})
    repository.pin("run-1", first)
    repository.pin("run-1", second)
    assert repository.pins() == {"run-1": second}
    repository.unpin("run-1")
    repository.unpin("run-1")
    assert repository.pins() == {}


def test_words_that_mean_a_snapshot(repository):
    first = commit(repository, {"a": b"1"})
    second = commit(repository, {"a": b"2"})
    repository.tag("v1", first)
    repository.track("origin", "main", first)
    expected = {
        "main": second, "HEAD": second, "v1": first, "origin/main": first, first: first, second[:12]: second,
        "main~": first, "main~1": first, "HEAD~0": second, second[:12] + "~1": first,
    }  # fmt: skip
    assert {word: repository.resolve(word) for word in expected} == expected


@pytest.mark.parametrize("word", ["nothing", "origin/none", "abcd", "0" * 64, "main~2", "v9", "", "abc"])
def test_a_word_that_means_nothing_is_said_so(repository, word):
    commit(repository, {"a": b"1"})
    commit(repository, {"a": b"2"})
    with pytest.raises(NotFound):
        repository.resolve(word)


def test_the_beginning_of_several_ids_is_refused(repository, monkeypatch):
    commit(repository, {"a": b"1"})
    monkeypatch.setattr(
        history, "ancestors", lambda _read, _start: dict.fromkeys([object_id(b"1"), object_id(b"1")[:8] + "0" * 56])
    )
    with pytest.raises(Conflict, match="2 ids"):
        repository.resolve(object_id(b"1")[:8])


def test_remotes_are_remembered_by_name(repository):
    first = commit(repository, {"a": b"1"})
    repository.add_remote("origin", "file:///x")
    repository.track("origin", "main", first)
    with pytest.raises(Conflict, match="origin"):
        repository.add_remote("origin", "file:///y")
    assert Repository.open(repository.root).remotes() == {"origin": "file:///x"}
    assert repository.tracked("origin") == {"main": first}
    repository.remove_remote("origin")
    assert (repository.remotes(), repository.tracked("origin")) == ({}, {})
    with pytest.raises(NotFound):
        repository.remove_remote("origin")


def test_a_snapshot_of_what_was_not_stored_is_refused_with_the_path(repository):
    manifest = Manifest([Entry("a/b", "file", 7, object_id(b"missing"))])
    with pytest.raises(NotFound, match="a/b"):
        repository.write_snapshot(manifest, Snapshot(manifest=manifest.id))
    with pytest.raises(Invalid, match="of manifest"):
        repository.write_snapshot(manifest, Snapshot(manifest=object_id(b"other")))


def test_a_snapshot_can_be_written_in_one_step(repository):
    [id] = repository.put_blobs([b"text"])
    manifest = Manifest([Entry("a", "exec", 4, id)])
    snapshot = repository.write_snapshot(manifest, Snapshot(manifest=manifest.id, author="ada"))

    assert contents(repository, snapshot) == {"a": b"text"}
    assert repository.read_snapshot(snapshot).author == "ada"


def test_the_log_has_children_before_parents_and_the_latest_first(repository):
    one = commit(repository, {"a": b"1"})
    left = commit(repository, {"a": b"2"})
    right = commit(repository, {"a": b"3"}, parents=[one], head="other")
    merged = commit(repository, {"a": b"4"}, parents=[left, right])

    assert [id for id, _ in repository.log(merged)] == [merged, right, left, one]
    assert repository.merge_base(left, right) == one
    assert repository.merge_base(left, merged) == left
    assert repository.is_ancestor(one, merged)
    assert not repository.is_ancestor(right, left)
    assert history.count_between(repository.read_snapshot, left, merged) == (2, 0)
    assert history.count_between(repository.read_snapshot, right, left) == (1, 1)


def test_snapshots_that_share_nothing_have_no_base(repository):
    one = commit(repository, {"a": b"1"})
    other = commit(repository, {"a": b"1"}, parents=[], head="other")
    assert repository.merge_base(one, other) is None


def test_gc_and_writers_keep_each_other_out(repository):
    with repository.writing():
        with repository.writing():
            pass
        with pytest.raises(Unavailable, match="in use"), repository.alone(wait=0):
            pass
    with repository.alone(wait=0):
        pass


def test_a_damaged_head_is_named(repository):
    commit(repository, {"a": b"1"})
    path = repository.path / "heads" / "main"
    path.write_bytes(path.read_bytes().replace(b"aexl-head 1", b"aexl-head 2"))
    with pytest.raises(Invalid, match="heads/main"):
        repository.head()
