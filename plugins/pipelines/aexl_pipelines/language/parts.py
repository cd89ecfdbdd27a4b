"""The smaller parts of a pipeline: what agents are given, limits, inputs and outputs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.skills import Skill
from aexl_pipelines.language.templates import Template

Backoff = Literal["none", "constant", "linear", "exponential"]


RetryOn = Literal["error", "timeout", "schema"]


InputType = Literal["text", "integer", "number", "boolean", "choice", "list", "object", "file"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all parts of a pipeline have in common: compared by value, and left out of JSON where it is a default."""


class Sampling(Part, frozen=True, kw_only=True, omit_defaults=True):
    """How a model picks its words; what is ``None`` is left to the next wider scope."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    thinking: float | None = None


class Tools(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Which tools an agent may use, in the agent's own spelling."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    disabled: bool = False


class Provider(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Where a runner's model calls go.

    Attributes:
        name: The provider or the alias in ``providers:``, where one is named.
        connect_timeout: Seconds.
        read_timeout: Seconds.
    """

    name: str | None = None
    model: str | None = None
    base_url: str | None = None
    auth_token: Template | None = None
    connect_timeout: float | None = None
    read_timeout: float | None = None
    max_history_messages: int | None = None
    sampling: Sampling | None = None


class Budget(Part, frozen=True, kw_only=True, omit_defaults=True):
    """The most that a run or a step may use; ``time`` in seconds, ``usd`` in nano-dollars."""

    usd: int | None = None
    tokens: int | None = None
    turns: int | None = None
    time: float | None = None


class Retry(Part, frozen=True, kw_only=True, omit_defaults=True):
    """How often and when a failed step is tried again.

    Attributes:
        times: Further attempts after the first.
        delay: Seconds before the second attempt.
        longest: The longest wait in seconds.
        jitter: Up to this part of the wait is taken off at random, 0 to 1.
    """

    times: int
    backoff: Backoff = "none"
    delay: float = 0.0
    longest: float = 60.0
    jitter: float = 0.0
    on: tuple[RetryOn, ...] = ("error", "timeout", "schema")

    def wait_before(self, attempt: int) -> float:
        """Return the seconds before a further attempt, counted from 1, without jitter."""
        match self.backoff:
            case "none":
                return 0.0
            case "constant":
                return min(self.delay, self.longest)
            case "linear":
                return min(self.delay * attempt, self.longest)
            case "exponential":
                return min(self.delay * 2.0 ** min(attempt - 1, 60), self.longest)


class Input(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A value that a run is given."""

    type: InputType = "text"
    description: str = ""
    default: object = None
    required: bool = False
    choices: tuple[object, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: Pattern | None = None
    secret: bool = False


class Output(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A value that a run answers with."""

    value: Template
    description: str = ""


class Secret(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A value that is put in where it is named, and masked everywhere else."""

    env: str | None = None
    file: str | None = None


class Prompt(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A text for a model. ``file`` is the path that it was read from."""

    template: Template
    file: str | None = None


class McpCall(Part, frozen=True, kw_only=True, omit_defaults=True):
    """A tool of an MCP server, called without a model."""

    server: str
    tool: str
    arguments: Mapping[str, object] = {}


class Extra(Part, frozen=True, kw_only=True, omit_defaults=True):
    """One addition to a system prompt."""

    kind: Literal["text", "file", "shell", "spec", "skill", "mcp"]
    template: Template
    file: str | None = None
    skill: Skill | None = None
    call: McpCall | None = None


class Resume(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Go on in an agent's session: the latest of the run, or that of a step; ``fork`` leaves that one as it is."""

    step: str | None = None
    fork: bool = False
