"""The role ``Gates``: questions of other plugins in the queue of the runs' own.

A question has a folder like a run's, with nothing in it but the gate: it is no run, and
is answered like every other gate. What reads and writes it is imported when the first
question is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import trio

from aexl.api import Answered, Question

if TYPE_CHECKING:
    from aexl_pipelines.gates.files import GateFiles
    from aexl_pipelines.gates.queue import FileGates
    from aexl_pipelines.journal.records import Gate


class GateService:
    """See ``aexl.api.Gates``.

    Args:
        home: ``AEXL_HOME``.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._queue: tuple[GateFiles, FileGates] | None = None

    def _queues(self) -> tuple[GateFiles, FileGates]:
        if self._queue is None:
            from aexl_pipelines.gates.files import GateFiles
            from aexl_pipelines.gates.queue import FileGates
            from aexl_pipelines.journal.folders import runs_folder

            runs = runs_folder(self._home)
            self._queue = GateFiles(runs), FileGates(runs, waits=True)
        return self._queue

    async def ask(self, question: Question) -> None:
        """Put up a question."""
        files, _ = self._queues()
        await trio.to_thread.run_sync(files.open, _gate(question))

    async def hear(self, question: Question) -> Answered:
        """Wait for the answer."""
        _, queue = self._queues()
        verdict = (await queue.wait(_gate(question))).verdict
        choice: Literal["approve", "reject"] = "approve" if verdict.choice == "approve" else "reject"
        return Answered(choice=choice, by=verdict.by or "somebody", reason=verdict.reason)

    async def answer(self, question: Question, answered: Answered) -> None:
        """Answer a question."""
        from aexl_pipelines.journal.records import Verdict

        _, queue = self._queues()
        verdict = Verdict(choice=answered.choice, reason=answered.reason, by=answered.by)
        await queue.decide(_gate(question), verdict)

    async def withdraw(self, question: Question) -> None:
        """Take a question away."""
        files, _ = self._queues()
        await trio.to_thread.run_sync(files.withdraw, _gate(question))


def _gate(question: Question) -> Gate:
    from aexl_pipelines.gates.naming import gate_id
    from aexl_pipelines.journal.records import Gate

    return Gate(
        id=gate_id(question.id),
        run=question.id,
        step=question.subject,
        kind="approval",
        text=question.text,
        detail=question.detail,
        opened=question.asked,
    )
