"""What a step asks of a runner, what a runner tells while it works, and what came of it.

A *runner* is an agent CLI, or something like one. Records are msgspec structs so
that a journal can keep them; times are seconds, money is nano-dollars.
Imported by its own name: ``aexl.api`` does not hold these.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from aexl.api.governed import Access
from aexl.api.money import Usage


class Ability(enum.StrEnum):
    """What a step may ask of a runner; what a runner does not declare is an error before anything runs.

    ``SCHEMA``, ``USAGE``, ``COST``, ``DELTAS`` and ``TOOL_EVENTS`` say what comes back, and how: without ``SCHEMA``
    a schema is asked for in the prompt, and held all the same.
    """

    MODEL = "model"
    SESSION_ID = "session-id"
    RESUME = "resume"
    FORK = "fork"
    SYSTEM_REPLACE = "system-replace"
    SYSTEM_APPEND = "system-append"
    TOOLS_ALLOW = "tools-allow"
    TOOLS_DENY = "tools-deny"
    TOOLS_OFF = "tools-off"
    MODE_READ = "mode-read"
    MODE_EDIT = "mode-edit"
    MODE_ALL = "mode-all"
    MODE_ASK = "mode-ask"
    TURNS = "turns"
    USD = "usd"
    TEMPERATURE = "temperature"
    TOP_P = "top-p"
    TOP_K = "top-k"
    MAX_TOKENS = "max-tokens"
    STOP = "stop"
    THINKING = "thinking"
    SCHEMA = "schema"
    USAGE = "usage"
    COST = "cost"
    DELTAS = "deltas"
    TOOL_EVENTS = "tool-events"


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What a CLI has counted since a session began; some report nothing else, so the difference counts."""

    usage: Usage | None = None
    cost: int | None = None


class RunnerSession(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation that a run belongs to.

    Attributes:
        kind: Begin one, go on with one, or go on with a copy of one.
        id: The session's id; for a new one the id it shall get, where the runner can choose it.
        before: What the session's last outcome had as ``totals``.
    """

    kind: Literal["new", "resume", "fork"] = "new"
    id: str | None = None
    before: Totals = Totals()


class ToolPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent may do.

    Attributes:
        allow: Tools that run without a question, in the CLI's own patterns.
        deny: Tools that do not run, whatever else says.
        disabled: No tools at all.
        mode: What runs without a question beside ``allow``: the CLI's own ``default``, nothing that writes
            (``read``), edits of files (``edit``), or everything (``all``). With ``ask``, every question comes out
            as an ``Asked`` event and waits for its answer.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    disabled: bool = False
    mode: Literal["default", "read", "edit", "all", "ask"] = "default"


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the model samples; ``None`` leaves it to the model. ``thinking`` is from 0 (none) to 1 (all it can)."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinking: float | None = None


class RunnerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run ends by force.

    Attributes:
        turns: Answers of the model, counted by the CLI.
        usd: Nano-dollars, counted by the CLI at its own prices.
        wall: Seconds from the start.
        idle: Seconds without a byte of output, questions that wait for a person apart.
    """

    turns: int | None = None
    usd: int | None = None
    wall: float | None = None
    idle: float | None = None


class RunnerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an agent.

    Attributes:
        home: A folder of this run's own (of this session's, where it shall be resumed): the CLI's home, its
            settings, its state. Nothing else may use it at the same time.
        cwd: Where the agent works.
        repository: ``cwd`` is inside a git repository.
        schema: JSON Schema of the answer.
        environ: The machine's environment; only what a program needs to run is taken from it, and no key.
        env: Variables of the step's own.
        access: Where the CLI sends its model calls, and with which token.
        login: Without ``access``: run in the person's own home, with what is logged in there.
        options: What only this runner understands.
    """

    prompt: str
    home: Path
    cwd: Path
    repository: bool = False
    model: str | None = None
    session: RunnerSession = RunnerSession()
    system: str | None = None
    append_system: tuple[str, ...] = ()
    tools: ToolPolicy = ToolPolicy()
    schema: Mapping[str, object] | None = None
    sampling: Sampling = Sampling()
    limits: RunnerLimits = RunnerLimits()
    environ: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    access: Access | None = None
    login: bool = False
    options: Mapping[str, object] = {}


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The CLI has begun; ``session`` is what a later run may resume."""

    session: str | None = None
    model: str | None = None


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A piece of what the model says, in order; with ``whole`` a message of its own."""

    text: str
    whole: bool = False


class Thinking(msgspec.Struct, frozen=True, tag="thinking"):
    """A piece of what the model thinks."""

    text: str


class ToolUse(msgspec.Struct, frozen=True, kw_only=True, tag="tool_use"):
    """The agent uses a tool; ``id`` joins it with its result."""

    id: str
    name: str
    input: object = None


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result"):
    """What a tool gave."""

    id: str
    output: str = ""
    failed: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag="asked"):
    """The agent waits for a permission; answer with ``RunnerParser.answer``."""

    id: str
    tool: str
    input: object = None
    detail: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``Asked``.

    Attributes:
        reason: What the agent is told when it is denied.
        input: What the tool gets instead of what the agent asked for.
    """

    allow: bool
    reason: str = ""
    input: object = None


class Denied(msgspec.Struct, frozen=True, kw_only=True, tag="denied"):
    """A tool did not run, because it may not."""

    tool: str
    reason: str = ""


class Retried(msgspec.Struct, frozen=True, kw_only=True, tag="retried"):
    """The CLI sends a model call again."""

    attempt: int
    status: int | None = None
    reason: str = ""


class Spent(msgspec.Struct, frozen=True, kw_only=True, tag="spent"):
    """What was consumed since the last such event; ``cost`` at the CLI's own prices, where it has any."""

    usage: Usage
    cost: int | None = None


class Warned(msgspec.Struct, frozen=True, tag="warned"):
    """Something the CLI says beside its protocol, or a fault that it goes on after."""

    text: str


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """A line that means nothing to us: another type than we know (``kind``), or no JSON (no ``kind``); cut short."""

    kind: str = ""
    line: str = ""


ErrorKind = Literal[
    "auth", "budget", "policy", "rate", "model", "provider", "session", "turns", "usd", "permission",
    "schema", "protocol", "settings", "wall", "idle", "stopped", "other",
]  # fmt: skip
"""Why a run did not complete; what retrying, pausing and exit codes are decided by."""


class RunnerError(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """Why a run did not complete: a sentence for people, and the HTTP status where one is behind it."""

    kind: ErrorKind
    message: str
    status: int | None = None


class Concluded(msgspec.Struct, frozen=True, kw_only=True, tag="concluded"):
    """The CLI's protocol says that the run is over."""

    text: str = ""
    error: RunnerError | None = None


RunnerEvent = (
    Started
    | Text
    | Thinking
    | ToolUse
    | ToolResult
    | Asked
    | Denied
    | Retried
    | Spent
    | Warned
    | Unknown
    | RunnerError
    | Concluded
)

RunnerStatus = Literal["completed", "failed", "denied", "limit", "timeout", "cancelled", "protocol_error"]
"""How a run ended: ``denied`` by a budget, a policy or a permission, ``limit`` at the CLI's own turns or money.

``protocol_error`` means that the CLI ended without saying how it went.
"""

STATUS_OF: Final[Mapping[ErrorKind, RunnerStatus]] = {
    "budget": "denied",
    "policy": "denied",
    "permission": "denied",
    "turns": "limit",
    "usd": "limit",
    "protocol": "protocol_error",
    "wall": "timeout",
    "idle": "timeout",
    "stopped": "cancelled",
}
"""The status that goes with an error; ``failed`` where it is not here."""


class RunnerOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run.

    Attributes:
        text: The final answer.
        structured: The answer as JSON, where a schema was asked for and it holds.
        session: What a later run may resume.
        usage: Tokens of this run, where the CLI counts them.
        cost: Of this run, at the CLI's own prices; what was booked is in the ledger.
        totals: For ``RunnerSession.before`` of the next run.
        turns: Answers of the model, where the CLI counts them.
        denials: Tools that did not run because they may not.
        exit_code: Of the process, minus the signal that ended it; ``None`` where there was no process.
        stderr: The end of what the CLI wrote there.
    """

    status: RunnerStatus
    text: str = ""
    structured: object = None
    session: str | None = None
    model: str | None = None
    usage: Usage | None = None
    cost: int | None = None
    totals: Totals = Totals()
    turns: int | None = None
    denials: tuple[Denied, ...] = ()
    error: RunnerError | None = None
    exit_code: int | None = None
    stderr: str = ""
