"""What follows from a step's answer: the branch of ``on_result`` that it takes, and its action."""

from __future__ import annotations

import json

from aexl_pipelines.execution.actions import original, propose
from aexl_pipelines.execution.gating import ask, rejected
from aexl_pipelines.execution.outcomes import End, ended_by, is_cancellation
from aexl_pipelines.execution.run import Run
from aexl_pipelines.execution.values import Flow, entry_of
from aexl_pipelines.journal.records import BranchTaken, Done, GateKind, StepBegun, StepEnded, StepStatus
from aexl_pipelines.language.exporting import as_data
from aexl_pipelines.language.matching import Result, first_branch
from aexl_pipelines.language.model import (
    Always,
    Branch,
    ConditionMatcher,
    ExitCode,
    ExpressionMatcher,
    Matcher,
    Question,
    Step,
)

_MOST_WHY = 200


async def follow_branch(
    run: Run, flow: Flow, step: Step, address: str, ended: StepEnded, checked: object
) -> End | None:
    """Do what follows from an answer; return why the list ends, if it does."""
    known = run.state.step(address).last(BranchTaken)
    if known is not None and known.number <= len(step.on_result):
        return await _act(run, flow, step, address, step.on_result[known.number - 1])
    answer = ended.response if ended.response is not None else ended.stdout or ""
    result = Result(answer=answer, exit_code=ended.exit_code, checked_input=checked)
    branch = first_branch(step.on_result, result, run.values(flow))
    if branch is None:
        return None
    record = BranchTaken(
        at=run.now(),
        step=address,
        number=step.on_result.index(branch) + 1,
        action=branch.action,
        why=describe_matcher(branch.matcher)[:_MOST_WHY],
        message=_message(run, flow, branch),
        target=branch.target,
    )
    await run.emit(record, unlogged=not step.log)
    return await _act(run, flow, step, address, branch)


def describe_matcher(matcher: Matcher) -> str:
    """Return a matcher as a person reads it."""
    match matcher:
        case Always():
            return "always"
        case ExitCode(code=code):
            return f"exit code {code}" if code is not None else "exit code not 0"
        case Question():
            field = ".".join(str(part) for part in matcher.field) if matcher.field is not None else "the answer"
            value = matcher.pattern if matcher.operand == "matches" else json.dumps(matcher.value, default=str)
            return f"{field} {matcher.operand.replace('_', ' ')} {value}"
        case ConditionMatcher(condition=part):
            return str(as_data(part))
        case ExpressionMatcher(expression=part):
            return str(as_data(part))


def _message(run: Run, flow: Flow, branch: Branch) -> str:
    return branch.message.text(run.values(flow)) if branch.message is not None else ""


async def _act(run: Run, flow: Flow, step: Step, address: str, branch: Branch) -> End | None:
    said = _message(run, flow, branch)
    target = branch.target or step.id
    match branch.action:
        case "continue":
            return None
        case "break":
            return End(status="break", message=said, step=address)
        case "abort_pipeline":
            return End(status="aborted", message=said or f"the step {address!r} ends the run", step=address)
        case "pause_for_human":
            verdict = await ask(run, address, "pause", "result", text=said or "Go on?", content=flow.last or "")
            return rejected(verdict, address) if verdict.choice == "reject" else None
        case "preview_for_human":
            return await _edit(run, flow, address, target, said, becomes_answer=True)
        case "modify_output":
            return await _edit(run, flow, address, target, said, becomes_answer=False)
        case "use_original":
            flow.last = original(flow.frame, target)
            return None
        case "apply_pipeline_diff" | "propose_pipeline_change":
            return (await propose(run, address, original(flow.frame, target), said)).end
        case "pipeline":
            return await _call(run, flow, step, address, branch)


async def _edit(run: Run, flow: Flow, address: str, target: str, said: str, *, becomes_answer: bool) -> End | None:
    """Show a person an answer; what they make of it is ``modified``, and with a preview the latest answer."""
    answer = original(flow.frame, target)
    if run.options.headless and run.options.on_gate is None and not becomes_answer:
        return None
    kind: GateKind = "preview" if becomes_answer else "edit"
    verdict = await ask(
        run, address, kind, "result", text=said or "Change it, or leave it as it is.", content=answer, editable=True
    )
    if verdict.choice == "reject":
        return rejected(verdict, address)
    changed = verdict.text if verdict.choice == "edit" and verdict.text is not None else answer
    entry = flow.frame.get(target)
    if isinstance(entry, dict):
        entry["modified"] = changed
    if becomes_answer and changed != answer:
        flow.last, flow.answered = changed, True
    return None


async def _call(run: Run, flow: Flow, step: Step, address: str, branch: Branch) -> End | None:
    """Run the pipeline of a branch; its answer is known as ``STEP__on_result``."""
    assert branch.pipeline is not None
    own = f"{address}__on_result"
    ended = run.state.step(own).ended
    if ended is None:
        ended, end = await _call_anew(run, flow, own, branch, unlogged=not step.log)
        if end is not None:
            return end
    for name in {f"{step.id}__on_result", f"{step.path}__on_result"}:
        flow.frame.own[name] = entry_of(ended)
    if ended.response is not None:
        flow.last, flow.answered = ended.response, True
    return None


async def _call_anew(
    run: Run, flow: Flow, address: str, branch: Branch, *, unlogged: bool
) -> tuple[StepEnded, End | None]:
    assert branch.pipeline is not None
    prompt = flow.last if flow.last is not None else run.prompt
    if branch.prompt is not None:
        prompt = branch.prompt.render(run.values(flow))
    begun = run.now()
    await run.emit(StepBegun(at=begun, step=address, kind="pipeline", text=prompt), unlogged=unlogged)
    try:
        work = ended_by(await run.call(run, flow, address, branch.pipeline, prompt))
    except BaseException as error:
        status: StepStatus = "cancelled" if is_cancellation(error) else "failed"
        await run.emit_last(StepEnded(at=run.now(), step=address, kind="pipeline", status=status, prompt=prompt))
        raise
    done = {name: getattr(work, name) for name in Done.__struct_fields__}
    ended = StepEnded(
        at=run.now(),
        step=address,
        kind="pipeline",
        status=work.status,
        duration=max(0.0, run.now() - begun),
        **{**done, "prompt": prompt},
    )
    await run.emit(ended, unlogged=unlogged)
    return ended, work.end
