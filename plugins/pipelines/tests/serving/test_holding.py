"""``pause`` and ``resume`` of a conversation, with the executor."""

from __future__ import annotations

import trio
import trio.testing

from aexl_pipelines.execution.known import known_agents
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.requests import RunRequest
from aexl_pipelines.execution.running import run_pipeline
from aexl_pipelines.governing.governor import LedgerGovernor
from aexl_pipelines.journal.records import StepEnded
from aexl_pipelines.serving.holding import Brake, HeldGovernor
from aexl_pipelines.serving.places import ServerLoader


class Seen:
    def __init__(self):
        self.ended = []

    def see(self, run, seen):
        if isinstance(seen, StepEnded):
            self.ended.append(seen.step)


async def test_while_it_is_held_no_agent_is_started_and_then_the_run_goes_on(host, folder, texts):
    brake, seen = Brake(), Seen()
    loaded = ServerLoader(host, folder).wanted(None, texts.plain)
    governor = HeldGovernor(LedgerGovernor(host, url=None, agent=None), brake)
    ports = Ports(agents=known_agents(host), governor=governor, observers=(seen,))
    results = []

    async def run():
        results.append(await run_pipeline(host, loaded, RunRequest(project=folder, prompt="go"), ports))

    brake.hold(True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert seen.ended == []
        brake.hold(False)
    assert seen.ended == ["invocation", "first", "tests"]
    assert results[0].status == "completed"


async def test_who_lets_go_of_a_brake_that_is_not_held_does_no_harm():
    brake = Brake()
    brake.hold(False)
    await brake.passed()
    brake.hold(True)
    brake.hold(True)
    with trio.move_on_after(0.01) as scope:
        await brake.passed()
    assert scope.cancelled_caught
