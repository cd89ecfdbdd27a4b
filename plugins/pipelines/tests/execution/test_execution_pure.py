"""The parts that need no loop: masks, accounts, states, settings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl.api import ObjectId, Usage
from aexl.api.runners import Ability
from aexl.errors import Invalid
from aexl_pipelines.execution.accounting import Account, step_exceeded
from aexl_pipelines.execution.asking import check_provider, own_access, plan_request
from aexl_pipelines.execution.masking import Masker, StreamMask
from aexl_pipelines.execution.settings import policy_of, settings_of
from aexl_pipelines.execution.state import RunState, enclosing, final_files, is_within, latest_files, redone
from aexl_pipelines.journal.lines import Written
from aexl_pipelines.journal.records import (
    AttemptEnded,
    BranchTaken,
    Forked,
    LoopTurn,
    Merged,
    Noted,
    RunOptions,
    RunResumed,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.language.parts import Budget, Tools
from aexl_pipelines.runners.table import runners


def masker(*secrets: str) -> Masker:
    found = Masker()
    for secret in secrets:
        found.add(secret)
    return found


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from(["hush", "hus", "h", "secret", "x", " ", "sec", "ret"]), max_size=20), st.data())
def test_a_secret_that_comes_in_pieces_is_masked_as_if_it_had_come_whole(words, data):
    text = "".join(words)
    mask = masker("hush", "secret")
    stream, shown, at = StreamMask(mask), "", 0
    while at < len(text):
        size = data.draw(st.integers(1, 5))
        shown += stream.feed(text[at : at + size])
        at += size
        assert "hush" not in shown
        assert "secret" not in shown
    shown += stream.finish()
    assert shown == mask.text(text)


def test_a_token_is_masked_whatever_it_is():
    mask = masker()
    stream = StreamMask(mask)
    assert stream.feed("aexl_a1_") == "aexl_a1_"  # nothing is governed, so there are none
    mask.add_tokens()
    assert mask.text("x aexl_a1_0123456789-_ y aexl_b") == "x *** y aexl_b"
    shown = [stream.feed(piece) for piece in ("to ae", "xl_a1_0123", "4567", "89 and a", "nt")]
    assert "".join(shown) + stream.finish() == "to *** and ant"


def test_every_form_of_a_secret_is_masked():
    mask = masker('say "it"\nline two', "abc")
    assert mask.text('x say "it"\nline two y') == "x *** y"
    assert mask.text(r'{"a": "say \"it\""}') == '{"a": "***"}'
    assert mask.text("abc") == "abc"  # shorter than what is a secret
    record = mask.record(Noted(at=1.0, text="line two"))
    assert record.text == "***"
    assert mask.value({"line two": ["line two", 1]}) == {"***": ["***", 1]}


def test_an_account_counts_for_those_above_it():
    parent = Account(Budget(usd=100, tokens=50, turns=3))
    child = Account(Budget(usd=1_000), parent)
    child.add(Usage(input_tokens=20, output_tokens=5), 60, 1)
    assert (parent.cost, parent.turns, child.exceeded()) == (60, 1, None)
    assert child.left() == Budget(usd=40, tokens=25, turns=2)
    assert child.exceeded(cost=41) is not None
    assert child.exceeded(cost=40) is None
    child.add(None, 40, 0)
    assert (child.exceeded(), child.exceeded(ahead=True) is not None) == (None, True)


def test_a_step_may_use_its_budget_to_the_last_and_no_more():
    budget = Budget(usd=10, tokens=5)
    assert step_exceeded(budget, Usage(input_tokens=5), 10, 0) is None
    assert step_exceeded(budget, Usage(input_tokens=6), 10, 0) is not None
    assert step_exceeded(budget, None, 11, 0) is not None
    assert step_exceeded(None, Usage(input_tokens=6), 10**9, 9) is None


def step(address: str, status: str = "completed", **rest):
    return StepEnded(at=1.0, step=address, kind="prompt", status=status, **rest)


def fold(*records):
    return RunState(Written(number, record) for number, record in enumerate(records))


def test_what_failed_is_forgotten_when_a_run_goes_on_and_what_was_put_up_with_is_not():
    state = fold(step("a"), step("b", "failed", tolerated=True), step("c", "failed", cost=5), RunResumed(at=2.0))
    assert [name for name in "abc" if state.step(name).ended] == ["a", "b"]
    assert state.cost == 5


def test_attempts_are_counted_once():
    state = fold(
        AttemptEnded(at=1.0, step="a", attempt=1, status="failed", cost=3, usage=Usage(input_tokens=1)),
        step("a", cost=5, usage=Usage(input_tokens=4), turns=2),
    )
    assert (state.cost, state.usage.input_tokens, state.turns) == (5, 4, 2)


def test_going_on_from_a_step_forgets_it_and_what_came_after_but_not_the_turns_before():
    records = [
        step("a"),
        LoopTurn(at=1.0, step="l", turn=1, total=3),
        step("l#1::x"),
        LoopTurn(at=1.0, step="l", turn=2, total=3),
        StepBegun(at=1.0, step="l#2::x", kind="prompt"),
        step("l#2::x"),
        LoopTurn(at=1.0, step="l", turn=3, total=3),
        step("l#3::x"),
        step("l"),
        step("b"),
    ]
    redo, since = redone(fold(*records), "l#2::x")
    state = fold(*records, RunResumed(at=2.0, redo=redo, since=since))
    assert {name for name in state.steps if state.step(name).ended} == {"a", "l#1::x"}
    assert state.step("l").turns == 2
    assert redone(fold(*records), "nope") is None
    assert redone(fold(*records), "l::x") == redone(fold(*records), "l#1::x")


def test_addresses_know_what_they_are_in():
    assert enclosing("l#2::x::then::0") == {"l#2", "l", "l#2::x", "l#2::x::then"}
    assert is_within("l#2::x", "l")
    assert is_within("a__on_result", "a")
    assert not is_within("ab", "a")


@pytest.mark.parametrize(
    ("tools", "answerable", "mode"),
    [
        (None, True, "ask"),
        (None, False, "edit"),
        (Tools(allow=("Read",)), False, "default"),
        (Tools(disabled=True), True, "default"),
    ],
)
def test_an_agent_asks_where_somebody_answers_and_else_edits_files_at_most(tools, answerable, mode):
    policy = policy_of(tools, {Ability.MODE_ASK, Ability.MODE_EDIT}, answerable=answerable)
    assert policy.mode == mode


def test_an_endpoint_of_a_steps_own_must_be_one_that_can_be_reached_so():
    assert own_access("http://x/v1/", "t", "r").v1 == "http://x/v1"
    with pytest.raises(Invalid, match="end with /v1"):
        own_access("http://x/api", "t", "r")


def test_a_providers_times_are_for_the_runner_that_can_keep_them_and_an_error_where_a_step_asks_another(workshop):
    path = workshop.write(
        """
        defaults: {provider: {connect_timeout_seconds: 5, read_timeout_seconds: 60, max_history_messages: 4}}
        pipeline:
          - {id: asks, prompt: x, runner: http, provider: {connect_timeout_seconds: 2}}
          - {id: works, prompt: x, runner: claude}
          - {id: wrong, prompt: x, runner: claude, provider: {read_timeout_seconds: 60}}
          - {id: replayed, prompt: x, runner: cassette, provider: {read_timeout_seconds: 60}}
        """
    )
    pipeline = workshop.load(path).unwrap()
    named = {runner.name: runner for runner in runners()}
    planned = {}
    for step in pipeline.steps:
        settings = settings_of(step, pipeline, RunOptions())
        runner = named[settings.runner]
        planned[step.id] = plan_request(step, settings, runner, {}, answerable=False, cwd=workshop.project)
        if step.id == "wrong":
            with pytest.raises(Invalid, match="runner claude cannot honour provider: read_timeout_seconds"):
                check_provider(step, settings.runner)
        else:
            check_provider(step, settings.runner)

    assert planned["asks"].options == {"max_history_messages": 4, "connect_timeout_seconds": 2.0}
    assert planned["asks"].limits.idle == 60.0
    assert (planned["works"].options, planned["works"].limits.idle) == ({}, None)


def files(*records) -> RunState:
    return RunState(Written(number, record) for number, record in enumerate(records, 1))


def ended(step: str, after: str | None) -> StepEnded:
    return StepEnded(
        at=1.0, step=step, kind="shell", status="completed", after=None if after is None else ObjectId(after)
    )


def forked(step: str) -> Forked:
    return Forked(at=1.0, step=step, folder=f"/copies/{step}", base=ObjectId("base"))


def merged(step: str, snapshot: str) -> Merged:
    return Merged(at=1.0, step=step, base=ObjectId("b"), theirs=ObjectId("t"), snapshot=ObjectId(snapshot))


@pytest.mark.parametrize(
    ("records", "latest", "final"),
    [
        ((), None, None),
        ((ended("x::a", "1"), ended("x", "2")), "2", "2"),
        ((ended("x", "2"), ended("x::then::0", "3")), "3", None),
        ((ended("x", "2"), BranchTaken(at=1.0, step="x", number=1, action="pipeline", why="always")), "2", None),
        ((ended("x::a", "1"), ended("y", "9")), "1", None),
        ((ended("x::a", "1"), ended("x::b", None)), "1", None),
        # a copy within the copy: its steps' files are elsewhere until it is merged
        ((ended("x::a", "1"), forked("x::in"), ended("x::in::s", "7"), ended("x::in", "8")), "1", None),
        ((ended("x::a", "1"), forked("x::in"), ended("x::in", "8"), merged("x::in", "9")), "9", None),
    ],
)
def test_the_files_of_a_branch_are_those_of_its_latest_step_that_worked_in_its_own_copy(records, latest, final):
    state = files(forked("x"), *records)
    assert (latest_files(state, "x"), final_files(state, "x")) == (latest, final)
