"""One instance of a step while it runs: what its body needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from aexl.api.money import Usage
from aexl.api.work import ObjectId
from aexl_pipelines.execution.masking import StreamMask
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.settings import Settings
from aexl_pipelines.execution.state import StepState
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.journal.records import AttemptEnded, StepBegun, total, total_usage
from aexl_pipelines.language.model import Step


@dataclass(slots=True, kw_only=True)
class Instance:
    """A step that is being done.

    Attributes:
        attempt: Counted from 1, over all processes that drove the run.
        before: The snapshot of the files before it.
        fault: What was wrong with the answer of the attempt before, where the schema was not met.
    """

    run: Run
    flow: Flow
    step: Step
    address: str
    kind: str
    settings: Settings
    began: float
    attempt: int = 1
    before: ObjectId | None = None
    fault: str = ""
    begun: bool = field(default=False)

    @property
    def known(self) -> StepState:
        """What the journal says of it."""
        return self.run.state.step(self.address)

    @property
    def values(self) -> dict[str, object]:
        """What names stand for."""
        tool = {"tool": self.settings.runner, "cwd": str(self.run.project)}
        return {**self.run.values(self.flow), "session": tool}

    def spent(self, usage: Usage | None, cost: int | None) -> tuple[Usage | None, int | None]:
        """Return what all attempts have used so far, with what the present one has."""
        before = self.known.every(AttemptEnded)
        return (
            total_usage((*(each.usage for each in before), usage)),
            total((*(each.cost for each in before), cost)),
        )

    async def begin(self, text: str = "", *, runner: str | None = None, model: str | None = None) -> None:
        """Write down that the step begins; once, whatever the number of its attempts."""
        if self.begun:
            return
        self.begun = True
        title = self.step.message.text(self.values) if self.step.message is not None else ""
        record = StepBegun(
            at=self.run.now(),
            step=self.address,
            kind=self.kind,
            runner=runner,
            model=model,
            text=text,
            before=self.before,
            title=title,
        )
        await self.run.emit(record, unlogged=not self.step.log)

    def speaker(self) -> Speaker:
        """Return what tells of a program's output."""
        return Speaker(self)


class Speaker:
    """Tells what a program or an agent says, without secrets, unless the step says not to."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._mask = StreamMask(instance.run.masker)

    def say(self, text: str) -> None:
        """Tell a piece of text. Must not wait."""
        if self._instance.step.display:
            self._instance.run.say(self._instance.address, self._mask.feed(text))

    def finish(self) -> None:
        """Tell what was held back."""
        if self._instance.step.display:
            self._instance.run.say(self._instance.address, self._mask.finish())
