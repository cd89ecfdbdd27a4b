"""Questions of other plugins: in the queue of the runs' own, and no runs."""

from __future__ import annotations

import os
import time

import pytest
import trio
import trio.testing

from aexl.api import Answered, Gates
from aexl.testing.gates import QUESTION, YES, GatesConformance
from aexl_pipelines.gates.files import AlreadyDecided, GateFiles
from aexl_pipelines.gates.service import GateService
from aexl_pipelines.gates.wording import card
from aexl_pipelines.journal.folders import list_runs
from aexl_pipelines.journal.records import Verdict
from aexl_pipelines.plugin import PipelinesPlugin
from aexl_pipelines.trees.pruning import old_runs


@pytest.fixture
def home(runs):
    return runs.parent


@pytest.fixture
def gates(home):
    return GateService(home)


class TestGateService(GatesConformance):
    pass


def test_the_plugin_plays_the_role(home):
    class Here:
        data_dir = home

    [service] = PipelinesPlugin().aexl_services(Here())
    assert service.role is Gates
    assert isinstance(service.instance, Gates)


async def test_a_question_stands_among_the_gates_and_is_no_run(gates, home, runs):
    await gates.ask(QUESTION)
    [standing] = GateFiles(runs).listed()
    assert (standing.gate.run, standing.gate.step, standing.gate.opened) == (QUESTION.id, "prod", 1000.0)
    assert card(standing.gate)[:3] == [
        f"Gate {standing.gate.id}: step prod waits for approval", "  Shall it be?", "  snapshot: abc",
    ]  # fmt: skip
    assert list(list_runs(home)) == []


async def test_an_answer_of_another_process_is_heard(gates, runs):
    await gates.ask(QUESTION)
    [standing] = GateFiles(runs).listed()
    heard = []

    async def hear():
        heard.append(await gates.hear(QUESTION))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked()
        verdict = Verdict(choice="reject", reason="no", by="cli:anna")
        await trio.to_thread.run_sync(GateFiles(runs).decide, standing.gate, verdict, 2000.0)
    assert heard == [Answered(choice="reject", by="cli:anna", reason="no")]


async def test_what_is_answered_through_the_role_is_decided_for_everybody(gates, runs):
    await gates.ask(QUESTION)
    await gates.answer(QUESTION, YES)
    [standing] = GateFiles(runs).listed()
    assert (standing.decided.verdict.choice, standing.decided.verdict.by) == ("approve", "anna")
    with pytest.raises(AlreadyDecided):
        GateFiles(runs).decide(standing.gate, Verdict(choice="reject", by="cli"), 2000.0)


async def test_an_answer_given_while_nobody_listened_is_heard_by_who_asks_again(gates, home, runs):
    await gates.ask(QUESTION)
    [standing] = GateFiles(runs).listed()
    GateFiles(runs).decide(standing.gate, Verdict(choice="approve", by="cli:anna"), 2000.0)
    after = GateService(home)
    await after.ask(QUESTION)
    assert (await after.hear(QUESTION)).by == "cli:anna"


async def test_pruning_leaves_a_question_that_is_open_and_takes_one_that_is_decided(gates, home, runs):
    await gates.ask(QUESTION)
    os.utime(runs / QUESTION.id, (0, 0))
    assert list(old_runs(home, time.time())) == []
    await gates.answer(QUESTION, YES)
    os.utime(runs / QUESTION.id, (0, 0))
    assert [each.name for each in old_runs(home, time.time())] == [QUESTION.id]
