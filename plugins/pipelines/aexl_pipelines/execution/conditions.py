"""Whether a step runs; what its condition asks of the files is looked up first."""

from __future__ import annotations

from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.values import Flow
from aexl_pipelines.journal.records import Noted
from aexl_pipelines.language.conditions import Condition, NamedCondition, condition_holds
from aexl_pipelines.language.expressions.errors import NotComparable, Unresolved
from aexl_pipelines.language.expressions.evaluating import holds
from aexl_pipelines.language.expressions.tree import (
    Comparison,
    Emptiness,
    Expression,
    Junction,
    Listed,
    Matching,
    Negation,
    Word,
)
from aexl_pipelines.language.model import Step


async def applies(run: Run, flow: Flow, step: Step) -> bool:
    """Say whether a step runs: it is not disabled, and its conditions hold.

    Raises:
        Unresolved: If a name in a condition stands for nothing.
        NotComparable: If an order is asked of what has none.
    """
    if step.disabled:
        return False
    return await satisfied(run, flow, step.condition, step.if_)


async def satisfied(run: Run, flow: Flow, condition: Condition | None, expression: Expression | None) -> bool:
    """Say whether both conditions hold; one that is not there does."""
    asks = _asks_for_code(condition) or _asks_for_code(expression)
    values = run.values(flow, code_changed=asks and await code_changed(run, flow))
    try:
        if condition is not None and not condition_holds(condition, values):
            return False
        return expression is None or holds(expression, values)
    except (Unresolved, NotComparable):
        if run.options.dry_run:  # nothing has answered what is asked about: show the step
            return True
        raise


async def code_changed(run: Run, flow: Flow) -> bool:
    """Say whether the files differ from what they were when the run began; where nobody knows, they do."""
    if run.options.dry_run:
        await run.emit(Noted(at=run.now(), text="a dry run changes no files; here they count as changed"))
        return True
    now = await run.capture(flow.folder, f"to see what changed in run {run.id}")
    if now is None or run.before is None:
        await run.emit(Noted(at=run.now(), text="nobody keeps snapshots here, so the files count as changed"))
        return True
    return bool(await run.changed_paths(run.before, now))


def _asks_for_code(part: object) -> bool:
    match part:
        case NamedCondition(name=name) | Word(name=name):
            return name == "if_code_changed"
        case Negation(operand=operand) | Emptiness(operand=operand):
            return _asks_for_code(operand)
        case Junction(operands=parts) | Listed(items=parts):
            return any(_asks_for_code(each) for each in parts)
        case Comparison() | Matching():
            return _asks_for_code(part.left) or _asks_for_code(getattr(part, "right", None))
        case _:
            return False
