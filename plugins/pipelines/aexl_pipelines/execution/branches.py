"""Copies of the files for branches that run side by side, and their merging."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from aexl.api.trees import MergedSnapshot
from aexl.api.work import ObjectId
from aexl.errors import Conflict, Invalid
from aexl_pipelines.execution.gating import ask, rejected
from aexl_pipelines.execution.outcomes import End
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.settings import writes
from aexl_pipelines.execution.state import final_files, latest_files
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.journal.records import Forked, Merged
from aexl_pipelines.language.model import PipelineBody, Step, children_of
from aexl_pipelines.trees.copies import FOLDER

_TRIES: Final = 5
"""Times that files which change while they are merged are merged anew."""


def _may_write(run: Run, step: Step) -> bool:
    """Say whether anything within a step may change files; a pipeline that is called may."""
    calls = isinstance(step.body, PipelineBody) or any(branch.action == "pipeline" for branch in step.on_result)
    if calls and not run.options.dry_run:
        return True
    own = writes(step, run.settings(step), dry_run=run.options.dry_run)
    return own or any(_may_write(run, inner) for steps in children_of(step) for inner in steps)


class Copies:
    """The copies of one list of steps, or of one loop.

    Args:
        run: Whose branches they are.
        flow: Where they branch off, and are merged again.
        steps: What the branches do.
    """

    def __init__(self, run: Run, flow: Flow, steps: Sequence[Step]) -> None:
        self._run = run
        self._flow = flow
        self._order = trio.Lock()
        self._wanted = run.ports.trees.copies and any(_may_write(run, step) for step in steps)

    async def open(self, address: str) -> Path:
        """Return the folder in which a branch works: a copy, where there are copies and it may write."""
        known = self._run.state.step(address)
        if not self._wanted or known.merged is not None:
            return self._flow.folder
        if known.forked is not None:
            folder = Path(known.forked.folder)
            if not folder.is_dir():
                reached = latest_files(self._run.state, address) or known.forked.base
                await self._run.ports.trees.copy(reached, folder)
            return folder
        async with self._order:  # also the copying: the first branches work while the next ones' copies are made
            base = await self._run.capture(self._flow.folder, f"before {address} of run {self._run.id}", fresh=False)
            if base is None:
                return self._flow.folder
            name = re.sub(r"[^a-zA-Z0-9_.-]+", "-", address)[-80:]
            folder = self._run.folder / FOLDER / f"{name}-{self._run.ports.clock.identify()[-12:]}"
            await trio.to_thread.run_sync(lambda: folder.mkdir(mode=0o700, parents=True))
            await self._run.ports.trees.copy(base, folder)
            self._run.recent.take(folder, base, trio.current_time())
            await self._run.emit(Forked(at=self._run.now(), step=address, folder=str(folder), base=base))
        return folder

    async def merge(self, address: str) -> End | None:
        """Bring what a branch made of its copy into the files again; return an end where a person says no."""
        known = self._run.state.step(address)
        if known.forked is None or known.merged is not None:
            return None
        async with self._order:
            return await self._merge(address, known.forked)

    async def _merge(self, address: str, forked: Forked) -> End | None:
        run, folder = self._run, Path(forked.folder)
        theirs = final_files(run.state, address)
        if theirs is None:
            theirs = await run.capture(folder, f"after {address} of run {run.id}", fresh=False)
        assert theirs is not None
        if not await run.changed_paths(forked.base, theirs):
            untouched = Merged(at=run.now(), step=address, base=forked.base, theirs=theirs, snapshot=forked.base)
            await run.emit(untouched)
            await self._discard(folder)
            return None
        for tried in range(1, _TRIES + 1):
            merged = await self._try(address, forked.base, theirs, tried)
            if isinstance(merged, End):
                return merged
            if merged is not None:
                await run.emit(merged)
                run.recent.take(self._flow.folder, merged.snapshot, trio.current_time())
                break
        await self._discard(folder)
        return None

    async def _discard(self, folder: Path) -> None:
        self._run.recent.drop(folder)
        await self._run.ports.trees.discard(folder)

    async def _try(self, address: str, base: ObjectId, theirs: ObjectId, tried: int) -> Merged | End | None:
        """Merge with the files as they are now; ``None`` where somebody wrote to them meanwhile."""
        run, trees = self._run, self._run.ports.trees
        ours = await run.capture(self._flow.folder, f"before merging {address} of run {run.id}", fresh=tried > 1)
        assert ours is not None
        merged = await trees.join(base, ours, theirs)
        snapshot = merged.snapshot
        if merged.conflicts:
            settled = await self._settle(address, merged, ours, theirs)
            if isinstance(settled, End):
                return settled
            snapshot = settled
        run.recent.drop(self._flow.folder)
        try:
            await trees.restore(snapshot, self._flow.folder)
        except Conflict:
            if tried == _TRIES:
                raise
            return None
        paths = tuple(conflict.path for conflict in merged.conflicts)
        return Merged(at=run.now(), step=address, base=base, theirs=theirs, snapshot=snapshot, conflicts=paths)

    async def _settle(self, address: str, merged: MergedSnapshot, ours: ObjectId, theirs: ObjectId) -> ObjectId | End:
        """Return what a person makes of a conflict; an edit that cannot be read is asked for again."""
        run, trees = self._run, self._run.ports.trees
        question = await trees.question(merged, ours, theirs)
        wrong, number = "", 0
        while True:
            number += 1
            verdict = await ask(
                run,
                address,
                "conflict",
                f"merge {number}",
                text=f"{wrong}{question.text}",
                content=question.content,
                detail=question.detail,
                editable=True,
            )
            if verdict.choice == "reject":
                return rejected(verdict, address)
            try:
                return await trees.settle(merged, ours, theirs, verdict)
            except Invalid as error:
                wrong = f"{error}\n\n"
