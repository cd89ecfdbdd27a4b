"""What plugins and the host tell each other: frozen, without behaviour, safe to share between tasks.

Records are msgspec structs rather than dataclasses because some are built several
times a call (a frozen struct is made about five times as quickly), and because
the control socket carries them as JSON without further code.

Units: times are seconds, sizes are bytes, tokens are tokens, money is
nano-dollars (1e-9 USD, ``int``). An *agent* is who pays.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from aexl.api.body import Body
from aexl.api.money import Price, Usage

Surface = Literal[
    "chat",
    "completions",
    "responses",
    "embeddings",
    "messages",
    "gemini",
    "gemini_embeddings",
    "images",
    "speech",
    "transcriptions",
    "moderations",
    "tools",
    "count",
    "stored",
]
"""The dialect and kind of a call; ``count`` (token counting) and ``stored`` (a stored response) cost nothing."""

Scope = Literal["read", "execute", "admin"]
"""What a token may do; each includes the ones before it."""

State = Literal["ready", "paused", "quarantined", "frozen", "decommissioned"]
"""The lifecycle of an agent; only a ready one may execute. Overruns freeze; decommissioning is for good."""

Headers = Sequence[tuple[bytes, bytes]]
"""Header names in lower case and their values, in order."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent may ask for. ``None`` means without limit.

    Attributes:
        models: Globs of model names, as in ``gpt-*``.
        tool_names: Globs of tool names; ``tools`` must be true as well.
        function_choice: May force a tool by ``tool_choice``.
        max_input_tokens: Against the provable bound of the input, one token a byte.
        max_output_tokens: A call that asks for more is refused; one that names no limit is given this one.
        rpm: Requests in any 60 seconds.
        tpm: Tokens in any 60 seconds, held at admission and corrected at settlement.
        concurrency: Calls at a time.
        queue: Seconds a call may wait for its turn before it gets a 429.
        strict: Refuses parameters that aexl does not know.
        passthrough: May bring its own provider key in ``x-aexl-provider-key``.
        clamp: Lowers a call's output limit to what the budget can hold, instead of refusing the call.
    """

    models: tuple[str, ...] | None = None
    streaming: bool = True
    tools: bool = True
    tool_names: tuple[str, ...] | None = None
    function_choice: bool = True
    vision: bool = True
    json_mode: bool = True
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_total_tokens: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    queue: float = 10.0
    strict: bool = False
    passthrough: bool = False
    clamp: bool = False


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking: an agent, by one of its tokens, as they stood when the request came in."""

    agent: str
    token_id: str
    scope: Scope
    state: State = "ready"
    limits: Limits = Limits()
    labels: Mapping[str, str] = {}


class Call(msgspec.Struct, frozen=True):
    """One request to a model, as it came in, whoever makes it.

    Build it with keywords; where that counts, as for each request, the first fields go by position, because Python
    makes a dictionary of more than fifteen keywords.

    Attributes:
        id: The execution id: the caller's ``Idempotency-Key``, scoped by agent, or a fresh UUIDv7.
        keyed: The caller chose the id, so equal calls share one execution.
        path: The path below the surface's root, as in ``/chat/completions``; the provider appends it to its base URL.
        query: The query string without its question mark.
        body: The JSON object, or an ``aexl.api.form.Form``; empty for a request without one.
        model: The name the caller used.
        stream: The caller asked for a stream.
        output_limit: The most output tokens a choice may have, where the caller named a limit.
        output_key: The body's key for that limit on this surface, the one the caller used if it named one;
            a dot leads into an object, as in ``generationConfig.maxOutputTokens`` (see ``Body.has``).
        output_floor: Never clamp below this many output tokens (1,024, or more where the call thinks).
        choices: How many answers are asked for at once (``n``).
        retry_count: ``x-stainless-retry-count``: an SDK's own retry of an earlier attempt.
        provider_key: The caller's own key for the provider, if it brings one.
        received: When the head had been read, on trio's clock.
        deadline: When the whole call must have ended, on trio's clock.
        fingerprint: SHA-256 of method, path and the exact body, 32 bytes.
    """

    id: str
    keyed: bool
    principal: Principal
    surface: Surface
    method: str
    path: str
    query: str
    headers: Headers
    body: Body
    model: str
    stream: bool
    output_limit: int | None
    output_key: str
    output_floor: int
    choices: int
    retry_count: int
    provider_key: str | None
    received: float
    deadline: float
    fingerprint: bytes


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place a call may be sent, with what it costs there.

    Attributes:
        provider: The provider's name in the configuration.
        model: The provider's own name for the model.
        price: What the provider takes, fixed at admission.
        output_limit: The output limit to send, or ``None`` to send what the caller sent.
        output_bound: The most output tokens of one choice that the hold covers, for a provider that must be
            told a limit where the caller named none; ``None`` where nobody has worked it out.
    """

    provider: str
    model: str
    price: Price
    output_limit: int | None = None
    output_bound: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where a call may go and what it may cost at most, fixed at admission.

    The most a call may cost is ``fixed`` (the input at its dearest class, and
    per-use prices of server tools) plus ``output_bound`` tokens at
    ``output_price``, rounded up to nano-dollars: ``hold``.

    Attributes:
        targets: Best first, never empty.
        input_bound: The most input tokens the call can have.
        output_bound: The most output tokens, all choices together, as the limit will be sent.
        output_floor: The least ``output_bound`` that a budget may clamp the call to.
        fixed: Nano-dollars that do not depend on the output.
        output_price: Pico-dollars per output token at the dearest target.
        hold: Nano-dollars, for one attempt.
        rounds: How often each target may be tried, the best first, all of them before one a second time.
        patience: The most seconds to wait before another round.
    """

    targets: tuple[Target, ...]
    input_bound: int
    output_bound: int
    output_floor: int
    fixed: int
    output_price: int
    hold: int
    rounds: int = 1
    patience: float = 10.0


class Ending(enum.StrEnum):
    """How an admitted call ended."""

    COMPLETED = "completed"
    CUT = "cut"  # the upstream stopped half way
    LEFT = "left"  # the client went away, and the upstream was not drained to its end
    REJECTED = "rejected"  # the upstream answered that it failed
    LOST = "lost"  # sent, and nobody knows whether it ran
    UNSENT = "unsent"  # it provably never left


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What is booked for a call: the table in DESIGN section 3.

    Attributes:
        state: ``committed`` when money is booked, ``released`` when nothing can have been charged.
        amount: Nano-dollars.
        estimated: The provider did not say; the amount is a bound of ours.
        reason: The row of the table, one word: ``usage``, ``no_usage``, ``rejected``, ``unsent``, ``lost``, ``left``.
    """

    state: Literal["committed", "released"]
    amount: int
    estimated: bool
    reason: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an admitted call, and what it costs.

    Attributes:
        status: The HTTP status the upstream answered with, if it answered.
        seconds: From dispatch to the end of the answer.
        first_byte: Seconds from dispatch to the answer's head, if one came.
        upstream_id: The provider's id of the answer, where a later request may name it (stored responses).
        retry_after: Seconds after which the provider wants to be asked again, if it said so.
    """

    ending: Ending
    charge: Charge
    usage: Usage | None
    target: Target
    status: int | None
    seconds: float
    first_byte: float | None = None
    upstream_id: str | None = None
    retry_after: float | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A target that failed before a byte of its answer was passed on, and is followed by another attempt.

    Attributes:
        number: From 1.
        code: Why, one word: ``status``, or the code of the failure, such as ``upstream_reset``.
        status: The HTTP status it answered with, if it answered.
        seconds: From its dispatch to its end.
        extra: Nano-dollars to hold beside what is held: the attempt's own hold where it may have been charged, else 0.
    """

    number: int
    target: Target
    ending: Ending
    code: str
    status: int | None
    seconds: float
    extra: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the ledger something stands: proof that it may not vanish. Shown as ``seq:hash``."""

    seq: int
    hash: str


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Money set aside for one execution.

    Attributes:
        amount: Nano-dollars, the plan's hold or less where the call was clamped.
        output_bound: Output tokens, all choices together, that the amount covers.
    """

    execution: str
    amount: int
    output_bound: int
    receipt: Receipt


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """What a settlement wrote.

    Attributes:
        amount: Nano-dollars that were booked.
        remaining: Nano-dollars that the agent's tightest budget has left; ``None`` without a budget.
        overrun: The cost was above the hold, and the agent is frozen.
    """

    execution: str
    receipt: Receipt
    amount: int
    estimated: bool
    remaining: int | None
    overrun: bool = False


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A stored answer, to be sent again byte for byte; ``chunks`` as they were sent."""

    execution: str
    status: int
    headers: Headers
    chunks: Sequence[bytes]
    stream: bool
    booked: Booked | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One name that callers may use as ``model``.

    Attributes:
        owner: The provider's name in the configuration.
        created: Unix time of the model's publication, 0 where it is not known.
        surfaces: The dialects it can be called in.
        context: Tokens of input and output together.
        output: The most output tokens of one answer.
        price: ``None`` when the model has no price, so that calls to it are refused.
        health: One phrase on how its target does, empty where nothing is known.
    """

    name: str
    owner: str
    provider_model: str
    created: int
    surfaces: tuple[Surface, ...]
    context: int | None
    output: int | None
    price: Price | None
    price_version: str
    capabilities: tuple[str, ...] = ()
    health: str = ""


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What some executions cost together, as of now.

    Attributes:
        calls: How many were admitted; those that are still running are among them.
        refused: How many were not.
        running: How many are not settled yet.
        cost: Nano-dollars of those that are settled, corrections included.
        estimated: Some of it is a bound, because a provider did not say.
    """

    calls: int = 0
    refused: int = 0
    running: int = 0
    cost: int = 0
    estimated: bool = False


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as the ledger knows it; the money in nano-dollars, times in Unix seconds."""

    id: str
    agent: str
    state: str
    states: tuple[tuple[str, float], ...]
    surface: str
    model: str
    provider: str | None
    provider_model: str | None
    price_version: str | None
    hold: int
    cost: int | None
    estimated: bool
    overrun: bool
    reason: str | None
    status: int | None
    usage: Usage | None
    labels: Mapping[str, str]
    receipts: tuple[Receipt, ...]
    attempts: tuple[Mapping[str, str | int | float | None], ...] = ()
