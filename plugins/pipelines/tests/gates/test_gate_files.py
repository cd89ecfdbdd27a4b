"""Questions and answers on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from aexl.errors import Conflict, Invalid, NotFound, Unavailable
from aexl_pipelines.gates.files import AlreadyDecided, GateFiles
from aexl_pipelines.gates.naming import LENGTH, complete, gate_id
from aexl_pipelines.gates.records import LARGEST_REASON, LARGEST_TEXT, Standing
from aexl_pipelines.journal.records import Verdict

AEXL = Path(sys.executable).with_name("aexl")
YES = Verdict(choice="approve", by="cli:alice", reason="looks good")
NO = Verdict(choice="reject", by="http:bob")


def test_an_id_is_short_and_can_be_typed():
    ids = {gate_id(str(number)) for number in range(1000)}

    assert len(ids) == 1000
    assert all(len(each) == LENGTH and each.isalnum() and each == each.lower() for each in ids)


def test_the_beginning_of_an_id_is_enough_unless_several_begin_so():
    known = ["abcd", "abxy", "ab"]
    assert complete("abc", known) == "abcd"
    assert complete("ab", known) == "ab"
    assert complete(" ABX ", known) == "abxy"
    with pytest.raises(Conflict, match="ab, abcd, abxy"):
        complete("a", known)
    for missing in ("z", "", "abcde"):
        with pytest.raises(NotFound):
            complete(missing, known)


def test_the_first_answer_counts_and_the_second_is_told_what_it_was(runs, make_gate):
    files = GateFiles(runs)
    gate = make_gate()
    assert files.open(gate) is None
    files.decide(gate, YES, 5.0)

    with pytest.raises(AlreadyDecided, match="approved by cli:alice: looks good") as lost:
        GateFiles(runs).decide(gate, NO, 6.0)

    assert lost.value.decided.verdict == YES
    assert files.listed() == [Standing(gate=gate, decided=lost.value.decided)]


def test_an_answer_counts_when_the_same_is_asked_again_and_not_when_something_else_is(runs, make_gate):
    files = GateFiles(runs)
    gate = make_gate(content="one")
    files.open(gate)
    files.decide(gate, YES, 5.0)

    again = msgspec.structs.replace(gate, opened=2000.0, timeout=5.0)
    assert files.open(again).verdict == YES
    other = msgspec.structs.replace(gate, content="two")
    assert files.open(other) is None
    assert files.find(gate.id).decided is None
    files.decide(other, NO, 7.0)


def test_a_question_is_withdrawn_only_while_nobody_has_answered_it(runs, make_gate):
    files = GateFiles(runs)
    open_one, decided = make_gate(), make_gate(id="zzzz")
    for gate in (open_one, decided):
        files.open(gate)
    files.decide(decided, YES, 5.0)
    for gate in (open_one, decided):
        files.withdraw(gate)

    assert [each.gate.id for each in files.listed()] == ["zzzz"]


def test_open_gates_are_found_before_decided_ones_of_the_same_beginning(runs, make_gate):
    files = GateFiles(runs)
    for name in ("aaaa", "aabb"):
        files.open(make_gate(id=name))
    with pytest.raises(Conflict, match="aaaa, aabb"):
        files.find("aa")
    files.decide(make_gate(id="aaaa"), YES, 5.0)

    assert files.find("aa").gate.id == "aabb"
    assert files.find("aaa").decided is not None
    with pytest.raises(NotFound):
        files.find("x")


def test_an_answer_that_the_gate_cannot_have_is_refused_at_each_limit(runs, make_gate):
    files = GateFiles(runs)
    plain, editable = make_gate(), make_gate(id="eeee", editable=True)
    for gate in (plain, editable):
        files.open(gate)
    for gate, verdict in [
        (plain, Verdict(choice="edit", text="x")),
        (editable, Verdict(choice="edit")),
        (editable, Verdict(choice="approve", text="x")),
        (editable, Verdict(choice="edit", text="x" * (LARGEST_TEXT + 1))),
        (plain, Verdict(choice="reject", reason="x" * (LARGEST_REASON + 1))),
    ]:
        with pytest.raises(Invalid):
            files.decide(gate, verdict, 5.0)
    files.decide(editable, Verdict(choice="edit", text="x" * LARGEST_TEXT), 5.0)
    files.decide(plain, Verdict(choice="reject", reason="x" * LARGEST_REASON), 5.0)


def test_a_damaged_file_is_named(runs, make_gate):
    files = GateFiles(runs)
    files.open(make_gate())
    [path] = (runs / make_gate().run / "gates").iterdir()
    path.write_text("{")
    with pytest.raises(Unavailable, match="cannot be read"):
        files.listed()


def test_gate_files_are_nobody_elses(runs, make_gate):
    files = GateFiles(runs)
    files.open(make_gate())
    files.decide(make_gate(), YES, 5.0)
    folder = runs / make_gate().run / "gates"
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}


@pytest.mark.slow
def test_of_twelve_processes_that_decide_one_gate_one_wins_and_all_are_told_the_same(runs, make_gate):
    gate = make_gate(opened=time.time())
    GateFiles(runs).open(gate)
    environ = {**os.environ, "AEXL_HOME": str(runs.parent)}
    words = [("approve", "reject")[number % 2] for number in range(12)]
    started = [
        subprocess.Popen(
            [AEXL, "pipeline", word, gate.id[:4], "--reason", f"number {number}"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, word in enumerate(words)
    ]
    ended = [(process.communicate(timeout=60), process.returncode) for process in started]

    [winner] = [number for number, (_, code) in enumerate(ended) if code == 0]
    decided = GateFiles(runs).find(gate.id).decided
    assert decided.verdict.reason == f"number {winner}"
    assert decided.verdict.choice == words[winner]
    for number, ((_, err), code) in enumerate(ended):
        if number != winner:
            assert (code, f"number {winner}" in err, "decided already" in err) == (5, True, True)
