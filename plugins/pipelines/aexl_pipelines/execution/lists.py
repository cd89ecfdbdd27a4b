"""Lists of steps: one after the other, and branches beside them.

A branch (``async``) has a task of its own and waits for what it depends on. Nobody
waits for it but those that depend on it, and the end of the list. What it changed
of the files is merged where somebody has waited for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from aexl_pipelines.execution.branches import Copies
from aexl_pipelines.execution.outcomes import End
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.steps import run_step
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.language.model import ActionBody, Step


async def run_list(run: Run, steps: Sequence[Step], flow: Flow) -> End | None:
    """Do a list of steps; return why it ended early, if it did."""
    if any(step.async_ for step in steps):
        return await _List(run, steps, flow).do()
    for step in steps:
        end = await run_step(run, flow, step)
        if end is not None:
            return end
    return None


async def run_pipeline_steps(run: Run, flow: Flow) -> End | None:
    """Do the steps of a run's pipeline; after ``reload_self``, those that the new one has behind the same step."""
    steps: Sequence[Step] = run.pipeline.steps
    while True:
        pipeline = run.pipeline
        listed = _List(run, steps, flow)
        end = await listed.do()
        if end is not None or run.pipeline is pipeline:
            return end
        ids = [step.id for step in run.pipeline.steps]
        last = listed.last.id if listed.last is not None else ""
        if last not in ids:
            return End(status="failed", message=f"the pipeline that was read again has no step {last!r}", step=last)
        steps = run.pipeline.steps[ids.index(last) + 1 :]


@dataclass(slots=True)
class _Branch:
    step: Step
    flow: Flow
    address: str
    ended: trio.Event = field(default_factory=trio.Event)
    end: End | None = None


class _List:
    """A list whose steps may be branches."""

    def __init__(self, run: Run, steps: Sequence[Step], flow: Flow) -> None:
        self.last: Step | None = None
        self._run = run
        self._steps = steps
        self._flow = flow
        self._pipeline = run.pipeline
        self._branches: dict[str, _Branch] = {}
        self._ends: list[End] = []
        self._copies = Copies(run, flow, [step for step in steps if step.async_])
        self._seats = trio.Semaphore(run.pipeline.defaults.max_concurrency or 1_000)
        self._merging = trio.Lock()

    async def do(self) -> End | None:
        """Do them; the first end that counts cancels what still runs."""
        async with trio.open_nursery() as nursery:
            for step in self._steps:
                if self._run.pipeline is not self._pipeline:
                    await self._finish(nursery)
                    break
                self.last = step
                if step.async_:
                    branch = _Branch(step, self._flow.branch(), self._flow.address_of(step))
                    self._branches[step.id] = branch
                    nursery.start_soon(self._run_branch, branch, nursery)
                    continue
                end = await self._wait(step, self._flow) or await run_step(self._run, self._flow, step)
                if end is not None:
                    self._stop(end, nursery)
                    break
            else:
                await self._finish(nursery)
        return self._ends[0] if self._ends else None

    def _stop(self, end: End, nursery: trio.Nursery) -> None:
        self._ends.append(end)
        nursery.cancel_scope.cancel()

    async def _finish(self, nursery: trio.Nursery) -> None:
        """Wait for the branches that nobody has waited for."""
        for branch in self._branches.values():
            await branch.ended.wait()
            end = await self._copies.merge(branch.address)
            if end is not None:
                return self._stop(end, nursery)
        return None

    async def _run_branch(self, branch: _Branch, nursery: trio.Nursery) -> None:
        end = await self._wait(branch.step, branch.flow)
        if end is None:
            async with self._seats:
                branch.flow.folder = await self._copies.open(branch.address)
                end = await run_step(self._run, branch.flow, branch.step)
        branch.end = end
        if end is not None and not (self._is_awaited_patiently(branch.step) and end.status in {"failed", "timeout"}):
            self._stop(end, nursery)
        branch.ended.set()

    def _is_awaited_patiently(self, step: Step) -> bool:
        """Say whether a join takes a branch as it is, failed or not."""
        return any(_is_patient(other) and step.id in other.depends_on for other in self._steps)

    async def _wait(self, step: Step, flow: Flow) -> End | None:
        """Wait for what a step depends on, and take over what the branches among it have come to."""
        for name in step.depends_on:
            branch = self._branches.get(name)
            if branch is None:
                continue
            await branch.ended.wait()
            if branch.end is not None and not _is_patient(step):
                return branch.end
            async with self._merging:
                end = await self._copies.merge(branch.address)
            if end is not None:
                return end
            if branch.flow.answered:
                flow.last, flow.answered = branch.flow.last, True
            flow.sessions.update(branch.flow.sessions)
        return None


def _is_patient(step: Step) -> bool:
    return isinstance(step.body, ActionBody) and step.body.action == "join" and step.on_error == "wait_for_all"
