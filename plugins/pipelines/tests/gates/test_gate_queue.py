"""Asking: who answers, who is quicker, and what counts when nobody does."""

from __future__ import annotations

import msgspec
import pytest
import trio

from aexl.errors import Unavailable
from aexl_pipelines.execution.ports import Gates
from aexl_pipelines.gates.files import AlreadyDecided, GateFiles
from aexl_pipelines.gates.queue import FileGates
from aexl_pipelines.journal.records import Verdict

YES = Verdict(choice="approve", by="cli:alice")
NO = Verdict(choice="reject", by="http:bob")


class Person:
    """Answers when the test lets them."""

    def __init__(self, verdict=None):
        self.verdict = verdict
        self.asked = trio.Event()
        self.go = trio.Event()
        self.heard = []
        self.left = False

    async def answer(self, gate):
        self.asked.set()
        try:
            await self.go.wait()
        finally:
            self.left = True
        return self.verdict

    def settled(self, gate, decided):
        self.heard.append(decided.verdict)


def is_port(gates: FileGates) -> Gates:
    return gates


async def until_open(runs):
    while not (found := [each for each in GateFiles(runs).listed() if each.decided is None]):
        await trio.sleep(0.01)
    return found[0].gate


async def test_an_answer_of_another_process_is_seen(runs, make_gate):
    gates = FileGates(runs, waits=True)
    async with trio.open_nursery() as nursery:
        verdicts = []

        async def ask():
            verdicts.append(await gates.ask(make_gate()))

        nursery.start_soon(ask)
        gate = await until_open(runs)
        GateFiles(runs).decide(gate, YES, 5.0)

    assert verdicts == [YES]
    assert GateFiles(runs).find(gate.id).decided.verdict == YES


async def test_an_answer_of_this_process_wakes_without_a_look(runs, make_gate, monkeypatch):
    monkeypatch.setattr("aexl_pipelines.gates.queue.FIRST_LOOK", 3600)
    gates = FileGates(runs, waits=True)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gates.ask, make_gate())
            await gates.decide(await until_open(runs), NO)
    with pytest.raises(AlreadyDecided, match="rejected by http:bob"):
        await gates.decide(make_gate(), YES)


@pytest.mark.parametrize(
    ("changes", "choice", "text"),
    [
        ({}, "reject", None),
        ({"default": "approve"}, "approve", None),
        ({"default": "reject"}, "reject", None),
        ({"default": "edit", "editable": True, "content": "as it was"}, "edit", "as it was"),
        ({"default": "edit"}, "reject", None),
    ],
)
async def test_after_its_timeout_the_default_counts(runs, make_gate, autojump_clock, changes, choice, text):
    began = trio.current_time()
    verdict = await FileGates(runs, waits=True).ask(make_gate(timeout=300.0, **changes))

    assert (verdict.choice, verdict.text, verdict.by) == (choice, text, "timeout")
    assert "300 seconds" in verdict.reason
    assert trio.current_time() - began == pytest.approx(300, abs=0.5)
    assert GateFiles(runs).listed()[0].decided.verdict == verdict


async def test_a_gate_waits_for_ever_without_a_timeout_and_looks_seldom(runs, make_gate, autojump_clock):
    gates = FileGates(runs, waits=True)
    with trio.move_on_after(3600) as scope:
        await gates.ask(make_gate())
    assert scope.cancelled_caught


async def test_where_nobody_can_answer_the_gate_is_closed(runs, make_gate):
    verdict = await FileGates(runs).ask(make_gate(default="approve"))
    assert (verdict.choice, verdict.by) == ("reject", "nobody")
    assert GateFiles(runs).listed() == []


async def test_where_nobody_is_here_a_gate_with_a_timeout_waits_that_long(runs, make_gate, autojump_clock):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(FileGates(runs).ask, make_gate(timeout=60.0))
        GateFiles(runs).decide(await until_open(runs), YES, 5.0)


async def test_an_option_answers_at_once_and_fail_raises(runs, make_gate):
    for word in ("approve", "reject"):
        verdict = await FileGates(runs, on_gate=word, answerer=Person()).ask(make_gate())
        assert (verdict.choice, verdict.by) == (word, "option")
    with pytest.raises(Unavailable, match="--on-gate fail"):
        await FileGates(runs, on_gate="fail", waits=True).ask(make_gate())


async def test_an_answer_that_came_while_nobody_asked_counts_before_any_option(runs, make_gate):
    files = GateFiles(runs)
    files.open(make_gate())
    files.decide(make_gate(), NO, 5.0)  # the run was killed meanwhile

    assert await FileGates(runs, on_gate="approve").ask(make_gate(opened=9.0)) == NO
    other = msgspec.structs.replace(make_gate(), text="Deploy twice?")
    assert (await FileGates(runs, on_gate="approve").ask(other)).by == "option"


async def test_a_cancelled_question_is_withdrawn(runs, make_gate):
    gates = FileGates(runs, answerer=Person())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gates.ask, make_gate())
        await until_open(runs)
        nursery.cancel_scope.cancel()
    assert GateFiles(runs).listed() == []


async def test_the_person_who_is_here_may_be_first(runs, make_gate):
    person = Person(YES)
    person.go.set()
    assert await FileGates(runs, answerer=person).ask(make_gate()) == YES
    assert person.heard == []


async def test_the_person_who_is_here_may_be_second_and_hears_of_it(runs, make_gate):
    person = Person(YES)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(FileGates(runs, answerer=person).ask, make_gate())
        await person.asked.wait()
        GateFiles(runs).decide(await until_open(runs), NO, 5.0)
    assert (person.heard, person.left) == ([NO], True)


async def test_a_person_who_answers_a_moment_too_late_hears_of_it_too(runs, make_gate):
    person = Person(YES)
    gates = FileGates(runs, answerer=person)
    verdicts = []

    async def ask():
        verdicts.append(await gates.ask(make_gate()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await person.asked.wait()
        GateFiles(runs).decide(make_gate(), NO, 5.0)
        person.go.set()
    assert (verdicts, person.heard) == ([NO], [NO])


async def test_a_person_who_leaves_closes_the_gate_unless_others_can_answer(runs, make_gate):
    person = Person(None)
    person.go.set()
    assert (await FileGates(runs, answerer=person).ask(make_gate())).by == "nobody"

    gate = make_gate(id="bbbb")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(FileGates(runs, answerer=person, waits=True).ask, gate)
        GateFiles(runs).decide(await until_open(runs), YES, 5.0)


async def test_a_disk_that_does_not_take_the_question_is_one_plain_error(runs, make_gate):
    (runs / make_gate().run).write_text("a file where a folder should be")
    with pytest.raises(Unavailable, match="cannot be"):
        await FileGates(runs, waits=True).ask(make_gate())
