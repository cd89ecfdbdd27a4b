"""A pipeline as the loader hands it on: typed, checked, immutable. Pure.

Seconds are floats, money is nano-dollars. Early and current spellings, short and
long forms are one here. ``place`` is where something stands in its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from aexl_pipelines.language.conditions import Condition
from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.expressions.tree import Expression
from aexl_pipelines.language.parts import (
    Budget,
    Extra,
    Input,
    McpCall,
    Output,
    Part,
    Prompt,
    Provider,
    Resume,
    Retry,
    Sampling,
    Secret,
    Tools,
)
from aexl_pipelines.language.problems import Place
from aexl_pipelines.language.skills import Skill
from aexl_pipelines.language.templates import Template

StepAction = Literal[
    "pause_for_human",
    "preview_for_human",
    "modify_output",
    "use_original",
    "join",
    "reload_self",
    "break",
    "abort_pipeline",
    "apply_pipeline_diff",
    "propose_pipeline_change",
]


BranchAction = Literal[
    "continue",
    "break",
    "abort_pipeline",
    "pause_for_human",
    "preview_for_human",
    "modify_output",
    "use_original",
    "apply_pipeline_diff",
    "propose_pipeline_change",
    "pipeline",
]


OnError = Literal["abort_pipeline", "continue", "pause_for_human", "fail_fast", "wait_for_all"]


OnTimeout = Literal["abort_pipeline", "continue", "retry", "pause_for_human"]


OnMaximum = Literal["abort_pipeline", "continue", "pause_for_human"]


Operand = Literal["contains", "starts_with", "equals", "in", "matches", "is_empty"]


class Question(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A question about a text or a value; the matchers of ``on_result``.

    Attributes:
        field: The field of a JSON answer that is asked about; the whole answer where it is ``None``.
        of_input: The field is one of the step's checked input instead.
    """

    operand: Operand
    value: object = None
    pattern: Pattern | None = None
    field: tuple[str | int, ...] | None = None
    of_input: bool = False


class ExitCode(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The exit code of a program; ``None`` is any but zero."""

    code: int | None = None


class Always(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Whatever the answer is."""


Matcher: TypeAlias = "Question | ExitCode | Always | ConditionMatcher | ExpressionMatcher"


class ConditionMatcher(Part, frozen=True, kw_only=True, omit_defaults=True):
    """``expression:``, in the grammar of ``condition:``."""

    condition: Condition


class ExpressionMatcher(Part, frozen=True, kw_only=True, omit_defaults=True):
    """``if:``, in the full grammar."""

    expression: Expression


class PipelineTarget(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Which pipeline: a name in the same file, a file, or a path that is known only when it runs."""

    name: str | None = None
    path: Template | None = None
    file: str | None = None


class Branch(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What follows from an answer: the first branch that fits counts."""

    matcher: Matcher
    action: BranchAction
    message: Template | None = None
    prompt: Template | None = None
    target: str | None = None
    pipeline: PipelineTarget | None = None
    place: Place


class PromptBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Ask an agent."""

    prompt: Prompt


class SkillBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Ask an agent, with the instructions of a skill."""

    skill: Skill
    arguments: Mapping[str, Template] = {}


class PipelineBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Run another pipeline."""

    target: PipelineTarget
    prompt: Prompt | None = None


class ActionBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Do something that is no work of an agent."""

    action: StepAction


class ShellBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Run a line of shell. Its values go through the environment: see ``shell.render_shell``."""

    command: Template


class SpecBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Put in a part of the description of this language."""

    word: str


class McpBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Call a tool of an MCP server."""

    call: McpCall


class UseBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A step type of a plugin; the texts among its arguments are templates."""

    name: str
    arguments: Mapping[str, object] = {}


class DoWhileBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Steps, then a question, and again until it is answered with yes."""

    max_iterations: int
    exit_when: Condition | None = None
    exit_if: Expression | None = None
    on_max_iterations: OnMaximum = "abort_pipeline"
    steps: tuple[Step, ...] = ()
    file: str | None = None


class ForEachBody(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Steps, once for each item or for each combination of a matrix.

    Attributes:
        parallel: How many items at a time.
    """

    over: Template | tuple[object, ...] | None = None
    matrix: Mapping[str, tuple[object, ...] | Template] | None = None
    variable: str = "item"
    max_items: int | None = None
    on_max_items: Literal["continue", "abort_pipeline"] = "continue"
    parallel: int = 1
    steps: tuple[Step, ...] = ()
    file: str | None = None


Body: TypeAlias = (
    PromptBody
    | SkillBody
    | PipelineBody
    | ActionBody
    | ShellBody
    | SpecBody
    | McpBody
    | UseBody
    | DoWhileBody
    | ForEachBody
)


class Step(Part, frozen=True, kw_only=True, omit_defaults=True):
    """One step.

    Attributes:
        id: As written, or made up for an entry of a chain.
        path: The id with those of all that it is in, as in ``loop::fix`` or ``review::then::0``.
        silent: The step's text is not shown while it runs.
    """

    id: str
    path: str
    body: Body
    place: Place
    message: Template | None = None
    on_headless: Literal["skip", "abort", "use_default"] = "skip"
    default_value: Template | None = None
    tools: Tools | None = None
    model: str | None = None
    runner: str | None = None
    provider: Provider | None = None
    system_prompt: Prompt | None = None
    append_system_prompt: tuple[Extra, ...] = ()
    resume: Resume | None = None
    condition: Condition | None = None
    if_: Expression | None = msgspec.field(default=None, name="if")
    on_result: tuple[Branch, ...] = ()
    on_error: OnError | None = None
    retry: Retry | None = None
    before: tuple[Step, ...] = ()
    then: tuple[Step, ...] = ()
    async_: bool = msgspec.field(default=False, name="async")
    depends_on: tuple[str, ...] = ()
    output_schema: object = None
    input_schema: object = None
    sampling: Sampling | None = None
    disabled: bool = False
    required: bool = False
    timeout: float | None = None
    idle_timeout: float | None = None
    on_timeout: OnTimeout | None = None
    budget: Budget | None = None
    cache: bool = False
    env: Mapping[str, Template] = {}
    display: bool = True
    log: bool = True
    trace: bool = True


class Defaults(Part, frozen=True, kw_only=True, omit_defaults=True):
    """What counts for every step that does not say it itself."""

    model: str | None = None
    runner: str | None = None
    provider: Provider | None = None
    tools: Tools | None = None
    sampling: Sampling | None = None
    system_prompt: Prompt | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    on_timeout: OnTimeout | None = None
    on_error: OnError | None = None
    retry: Retry | None = None
    max_concurrency: int | None = None
    budget: Budget | None = None
    env: Mapping[str, Template] = {}


class Pipeline(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A whole pipeline, with everything inherited in its place.

    Attributes:
        file: The file as people call it; ``None`` for no file at all.
        folder: The folder of the file, where it has one.
        extra: ``meta``, ``x-*`` and the tables that ail's files carry for other tools, as they are.
    """

    version: str = "1"
    file: str | None = None
    folder: str | None = None
    description: str = ""
    defaults: Defaults = Defaults()
    steps: tuple[Step, ...] = ()
    pipelines: Mapping[str, tuple[Step, ...]] = {}
    providers: Mapping[str, Provider] = {}
    inputs: Mapping[str, Input] = {}
    outputs: Mapping[str, Output] = {}
    secrets: Mapping[str, Secret] = {}
    budget: Budget | None = None
    extra: Mapping[str, object] = {}


def children_of(step: Step) -> tuple[tuple[Step, ...], ...]:
    """Return the lists of steps within a step: what is before it, its loop's body, what is after it."""
    body = step.body.steps if isinstance(step.body, DoWhileBody | ForEachBody) else ()
    return tuple(each for each in (step.before, body, step.then) if each)
