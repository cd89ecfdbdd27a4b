"""Everything that a run needs before its first step: its secrets, its values, its place in the house."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from aexl.api import Host
from aexl.errors import Invalid
from aexl_pipelines.execution.accounting import Account
from aexl_pipelines.execution.brisk import BriskHost
from aexl_pipelines.execution.continuing import in_session
from aexl_pipelines.execution.masking import Masker
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.recent import Recent
from aexl_pipelines.execution.run import Call, Run, Walk, asks_for
from aexl_pipelines.execution.settings import settings_of
from aexl_pipelines.execution.state import RunState
from aexl_pipelines.execution.values import Flow, Frame
from aexl_pipelines.journal.records import RunBegun, RunOptions
from aexl_pipelines.journal.writing import Journal
from aexl_pipelines.language.answers import whole_text
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.model import Pipeline, PromptBody, Step
from aexl_pipelines.language.parts import Budget, Prompt, Secret
from aexl_pipelines.language.problems import Place
from aexl_pipelines.language.templates import parse_template

_INVOCATION = "invocation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a run begins or goes on with; the journal is open, and closed by who drives the run.

    Attributes:
        parent: The run that has called it, and ``account`` what it pays from there.
    """

    begun: RunBegun
    loaded: Loaded
    pipeline: Pipeline
    journal: Journal
    state: RunState | None = None
    parent: Run | None = None
    account: Account | None = None


def make_run(host: Host, ports: Ports, start: Start, ways: tuple[Walk, Call]) -> Run:
    """Return a run that has not begun. Must not wait."""
    begun, parent = start.begun, start.parent
    pipeline = start.pipeline
    if begun.depth == 0:
        pipeline = in_session(_with_invocation(pipeline, begun), begun, ports)
    masker = parent.masker if parent is not None else Masker()
    state = start.state or RunState()
    account = Account(budget_of(start.pipeline, begun.options, begun.depth), start.account)
    return Run(
        id=begun.run,
        folder=start.journal.path.parent,
        home=host.data_dir,
        project=Path(begun.project),
        host=host if isinstance(host, BriskHost) else BriskHost(host, begun.tree),
        ports=ports,
        journal=start.journal,
        loaded=start.loaded,
        pipeline=pipeline,
        options=begun.options,
        prompt=begun.prompt,
        inputs=begun.inputs,
        state=state,
        account=account,
        masker=masker,
        walk=ways[0],
        call=ways[1],
        path=Path(begun.path) if begun.path is not None else None,
        name=begun.name,
        depth=begun.depth,
        parent=parent,
        recent=parent.recent if parent is not None else Recent(),
        wants_diff=asks_for(pipeline, "diff"),
        wants_turns=asks_for(pipeline, "turns"),
    )


def budget_of(pipeline: Pipeline, options: RunOptions, depth: int) -> Budget:
    """Return what a run may use: what its file says, and the option; the smaller one counts."""
    own = pipeline.budget or Budget()
    if depth > 0 or options.budget is None:
        return own
    usd = options.budget if own.usd is None else min(own.usd, options.budget)
    return msgspec.structs.replace(own, usd=usd)


def _with_invocation(pipeline: Pipeline, begun: RunBegun) -> Pipeline:
    """Return a pipeline that begins with the human's prompt, where there is one and the file does not say it."""
    if begun.name is not None or not begun.prompt or (pipeline.steps and pipeline.steps[0].id == _INVOCATION):
        return pipeline
    template = parse_template("{{ step.invocation.prompt }}")
    step = Step(
        id=_INVOCATION,
        path=_INVOCATION,
        body=PromptBody(prompt=Prompt(template=template)),
        place=Place(pipeline.file or "-", 1, 1),
    )
    return msgspec.structs.replace(pipeline, steps=(step, *pipeline.steps))


def give_values(run: Run) -> None:
    """Give a run the values that are the same everywhere, and tell the masker what is secret. Blocks.

    Raises:
        Invalid: If a secret has no value.
    """
    secrets = {name: _secret(name, secret, run) for name, secret in run.pipeline.secrets.items()}
    for value in secrets.values():
        run.masker.add(value)
    for name, wanted in run.pipeline.inputs.items():
        if wanted.secret and run.inputs.get(name) is not None:
            run.masker.add(str(run.inputs[name]))
    first = run.pipeline.steps[0] if run.pipeline.steps else None
    tool = (
        settings_of(first, run.pipeline, run.options, run.ports.environ.get("AIL_DEFAULT_RUNNER")).runner
        if first
        else ""
    )
    run.common = {
        "inputs": run.inputs,
        "secrets": secrets,
        "session": {"tool": tool, "cwd": str(run.project)},
        "pipeline": {"run_id": run.id},
        "env": {whole_text(name): whole_text(value) for name, value in run.ports.environ.items()},
    }


def _secret(name: str, secret: Secret, run: Run) -> str:
    if secret.file is not None:
        folder = Path(run.pipeline.folder or run.project)
        try:
            return (folder / Path(secret.file).expanduser()).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"the secret {name!r} cannot be read from {secret.file}: {error}") from error
    variable = secret.env or name
    value = run.ports.environ.get(variable)
    if value is None:
        if run.options.dry_run:
            return ""
        raise Invalid(f"the secret {name!r} needs the variable {variable}, which is not set")
    return whole_text(value)


def first_flow(run: Run) -> Flow:
    """Return the flow in which a run begins; one that was called begins with what it was called with."""
    frame = Frame()
    frame.own[_INVOCATION] = {"prompt": run.prompt}
    flow = Flow(frame=frame, folder=run.project, account=run.account)
    if run.depth > 0:
        frame.own[_INVOCATION] = {"prompt": run.prompt, "response": run.prompt}
        flow.last = run.prompt
    return flow
