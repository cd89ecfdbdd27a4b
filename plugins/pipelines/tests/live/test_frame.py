"""The moving part, and what it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Usage
from aexl.api.runners import Spent, Text, Thinking, ToolUse
from aexl_pipelines.journal.records import ChildBegun, Gate, GateOpened, LoopTurn, Progress, StepBegun
from aexl_pipelines.live.frame import draw
from aexl_pipelines.live.view import MOST_ENDED, TAIL, View


def say(view, step, *events, run="r1"):
    for event in events:
        view.see(run, Progress(step=step, event=event))


@pytest.fixture
def view(told):
    made = View()
    made.see("r1", told.run())
    return made


def lines(view, now=110.0, width=80, height=24, signs=True):
    return ["".join(text for text, _ in line) for line in draw(view, now, width, height, signs=signs)]


def test_a_step_shows_who_works_what_it_does_and_what_it_says(view, told):
    view.see("r1", told.begin("fix", runner="claude", model="opus"))
    say(view, "fix", Text("Looking.\nI"), ToolUse(id="1", name="Bash"), ToolUse(id="2", name="Edit"))
    say(view, "fix", Text(" see."), Spent(usage=Usage(input_tokens=1, output_tokens=1), cost=12_300_000))

    head, first, second, foot = lines(view)
    assert head[2:] == "fix 8.0 s  claude opus · 0.0123 USD · 2 tools, last Edit"
    assert (first, second) == ("  Looking.", "  I see.")
    assert foot == "0 steps done · 9.0 s  run r1"


def test_a_narrow_terminal_has_what_matters_most(view, told):
    view.see("r1", told.begin("fix", runner="claude", model="opus"))
    say(view, "fix", ToolUse(id="1", name="Bash"))
    assert lines(view, width=30)[0][2:] == "fix 8.0 s"


def test_thinking_is_said(view, told):
    view.see("r1", told.begin("fix"))
    say(view, "fix", Thinking("hm"))
    assert lines(view)[1] == "  thinking…"


def test_of_a_long_text_the_end_is_shown_and_little_is_kept(view, told):
    view.see("r1", told.begin("fix"))
    for number in range(2000):
        say(view, "fix", Text(f"line {number}\n"))
    assert len(view.active["r1", "fix"].tail) == TAIL
    assert lines(view)[-2] == "  line 1999"
    assert len(lines(view)) == 12


def test_a_loop_is_its_steps(view, told):
    view.see("r1", told.begin("loop", kind="do_while"))
    view.see("r1", LoopTurn(at=103.0, step="loop", turn=2, total=5))
    assert lines(view)[0][2:] == "loop 8.0 s  do_while · turn 2 of 5"
    view.see("r1", told.begin("loop#2::fix"))
    assert [line[2:10] for line in lines(view)[:-1]] == ["loop 2 >"]


def test_gates_that_wait_are_shown_until_they_are_answered(view, told):
    view.see("r1", told.begin("look", kind="pause_for_human"))
    view.see("r1", told.gate("look"))
    assert "? look asks to go on  aexl pipeline approve g1" in lines(view)
    view.see("r1", told.decide("look"))
    assert not [line for line in lines(view) if line.startswith("?")]


def test_child_runs_stand_within_their_caller(view, told):
    view.see("r1", told.begin("call", kind="pipeline"))
    view.see("r1", ChildBegun(at=103.0, step="call", run="r2"))
    view.see("r2", told.run("r2"))
    view.see("r2", told.begin("inner"))
    assert view.main == "r1"
    assert view.active["r2", "inner"].depth == 1
    view.see("r2", told.end("inner", cost=5))
    view.see("r2", told.over())
    view.see("r1", told.end("call", kind="pipeline", cost=5))
    assert ([each.depth for each in view.ended], view.cost, view.over) == ([1, 0], 5, None)


def test_more_steps_than_lines_are_counted(view, told):
    for number in range(50):
        view.see("r1", told.begin(f"s{number}"))
    shown = lines(view, height=10)
    assert len(shown) == 10
    assert shown[-2] == "and 42 more steps"


def test_when_it_is_over_nothing_moves(view, told):
    view.see("r1", told.begin("fix"))
    view.see("r1", told.over())
    assert lines(view) == []


def test_a_resumed_run_is_shown_without_its_begin(told):
    view = View()
    view.see("r1", told.begin("fix"))
    assert view.main == "r1"
    assert lines(view)


def test_what_is_kept_of_a_very_long_run_has_a_bound(view, told):
    for number in range(MOST_ENDED + 100):
        view.see("r1", told.end(f"loop#{number}::fix"))
    view.see("r1", told.end("loop", kind="do_while"))
    assert (len(view.ended), view.dropped) == (MOST_ENDED, 101)
    assert view.ended[-1].record.step == "loop"


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 60),
    texts=st.lists(st.text(max_size=300), max_size=4),
    gates=st.integers(0, 3),
)
def test_it_always_fits(width, height, texts, gates):
    view = View()
    for number, text in enumerate(texts):
        view.see("r1", StepBegun(at=1.0, step=f"s{number}", kind="prompt"))
        say(view, f"s{number}", Text(text))
    for number in range(gates):
        gate = Gate(id=f"g{number}", run="r1", step="s0", kind="pause")
        view.see("r1", GateOpened(at=1.0, step="s0", gate=gate))
    assert len(draw(view, 2.0, width, height, signs=True)) <= height
