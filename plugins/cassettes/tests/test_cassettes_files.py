"""Files: whole or not there, the same after reading, and deleted on request only."""

from __future__ import annotations

import stat
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid, NotFound
from aexl.testing.factories import make_call, make_target
from aexl.testing.provider import FakeReply
from aexl_cassettes.requests import describe
from aexl_cassettes.tape import FORMAT, Asked, End, Head, Piece, Tape, read_tape, write_tape

REQUEST = describe(make_call(), make_target())


def whole(*chunks: bytes) -> Tape:
    asked = Asked(cassette=FORMAT, at=1.0, request=REQUEST)
    pieces = [Piece.of(chunk, 0.5) for chunk in chunks]
    return Tape(
        asked=asked, head=Head(status=200, headers=[], after=0.1), pieces=pieces, end=End(after=1, finished=True)
    )


@given(st.lists(st.binary() | st.text().map(str.encode)))
def test_every_body_comes_back_byte_for_byte(chunks):
    read = read_tape(write_tape(whole(*chunks)))
    assert [piece.data for piece in read.pieces] == chunks


@given(st.data())
def test_a_file_that_is_cut_anywhere_is_not_read(data):
    written = write_tape(whole(b"data: one\n\n", b"\xff"))
    with pytest.raises(Invalid):
        read_tape(written[: data.draw(st.integers(0, len(written) - 1))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b'"cassette":1', b'"cassette":2'), "has format 2; this version of aexl reads 1"),
        ((b'"base64":"/w=="', b'"base64":"?"'), "line 3 is not"),
        ((b'"status":200', b'"status":"x"'), "line 2 is not"),
        ((b'"finished":true', b'"done":true'), "line 4 is not"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(change, message):
    with pytest.raises(Invalid, match=message):
        read_tape(write_tape(whole(b"\xff")).replace(*change))


def test_text_is_written_as_text(deck):
    name = deck.put(whole("data: grün\n\n".encode()))
    assert '"text":"data: grün\\n\\n"' in (deck.folder.path / f"{name}.jsonl").read_text()


def test_only_the_owner_may_read_what_was_said(deck):
    name = deck.put(whole(b"x"))
    assert stat.S_IMODE((deck.folder.path / f"{name}.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE(deck.folder.path.stat().st_mode) == 0o700


def test_names_count_up_and_no_file_is_ever_replaced(deck):
    names = [deck.put(whole(b"%d" % n)) for n in range(3)]
    assert [name.rpartition("-")[2] for name in names] == ["001", "002", "003"]
    deck.folder.remove([names[1]])
    assert deck.put(whole(b"x")).endswith("-004")


def test_writers_at_the_same_time_get_names_of_their_own(deck):
    names = []
    threads = [threading.Thread(target=lambda: names.append(deck.put(whole(b"x")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(names)) == 8
    assert sorted(path.stem for path in deck.folder.path.iterdir()) == sorted(names)


def test_a_write_that_fails_leaves_nothing(deck, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        deck.put(whole(b"x"))

    assert list(deck.folder.path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_listed_as_a_problem(deck):
    deck.put(whole(b"x"))
    (deck.folder.path / "0123456789abcdef-001.jsonl").write_text("{}\n")
    (deck.folder.path / "notes.jsonl").write_text("not a recording, and not named like one\n")
    entries, problems = deck.folder.list()

    assert len(entries) == 1
    assert len(problems) == 1
    assert "line 1 is not the beginning of a recording" in problems[0]


def test_a_folder_that_is_not_there_is_empty(deck):
    assert deck.folder.list() == ([], [])
    assert deck.folder.marks() == {}


def test_a_recording_is_found_by_the_beginning_of_its_name(deck):
    first, second = deck.put(whole(b"1")), deck.put(whole(b"2"))
    assert deck.folder.find(first) == first
    with pytest.raises(Invalid, match="fits 2 recordings"):
        deck.folder.find(first[:8])
    deck.folder.remove([second])
    assert deck.folder.find(first[:4]) == first
    with pytest.raises(NotFound, match="no recording 'zz'"):
        deck.folder.find("zz")


def test_unfinished_files_of_the_dead_are_removed_and_those_of_the_living_stay(deck, monkeypatch):
    deck.put(whole(b"x"))
    for name in ("dead", "living"):
        (deck.folder.path / f".recording-{name}").write_text("half")
    now = time.time()
    import os

    os.utime(deck.folder.path / ".recording-dead", (now - 4000, now - 4000))
    deck.folder.remove([])

    assert [path.name for path in deck.folder.path.glob(".*")] == [".recording-living"]


def test_fingerprints_follow_the_rules_of_the_day(deck, tape):
    from aexl_cassettes.normal import Rules
    from aexl_cassettes.shelf import Shelf

    deck.put(tape(FakeReply(), make_call({"model": "test-model", "n": 1})))
    shelf = Shelf(deck.folder, Rules(ignore=["n"]), "last")
    shelf.load()
    asked = describe(make_call({"model": "test-model", "n": 2}), make_target())

    assert shelf.take(Rules(ignore=["n"]).fingerprint(asked)) is not None
