"""Limits on tokens: of the output as asked for, of input and sum as planned."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl.api import Call, Limits, Plan, Surface
from aexl_policy.rules.denials import denied

_GENERATES: Final[frozenset[Surface]] = frozenset({"chat", "completions", "responses", "messages", "gemini"})
_LIMIT_KEYS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample")
_BOUND: Final = "The bound counts one token a byte, because no text has more tokens than bytes."


def limit_output(call: Call, limit: int) -> Call:
    """Return the call with an output limit: its own, or the agent's where it names none.

    Every key that any dialect calls its limit is looked at: which of two a
    provider obeys is not for the caller to choose.

    Raises:
        Refused: 403 if the call asks for more than ``limit``.
    """
    for key, asked in _asked(call):
        if asked > limit:
            raise denied(
                f"This agent may ask for at most {limit} output tokens; the call asks for {asked}. Lower {key!r}.",
                "max_output_tokens",
                key,
            )
    if call.output_limit is None and call.surface in _GENERATES:
        return msgspec.structs.replace(call, output_limit=limit)
    return call


def _asked(call: Call) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    if call.output_limit is not None:
        found.append((call.output_key, call.output_limit))
    body = call.body
    for key in _LIMIT_KEYS:
        if key in body:
            _add(found, key, body.get(key))
    for key in ("generationConfig", "generation_config"):
        config = body.get(key) if key in body else None
        if isinstance(config, dict):
            _add(found, key, config.get("maxOutputTokens"))
            _add(found, key, config.get("max_output_tokens"))
    return found


def _add(found: list[tuple[str, float]], key: str, value: object) -> None:
    if isinstance(value, int | float):  # what is no number is for the surface and the provider to refuse
        found.append((key, value))


def check_bounds(plan: Plan, limits: Limits) -> None:
    """Raise a 403 if the plan's bounds are above the agent's limits on input or on input and output together."""
    most = limits.max_input_tokens
    if most is not None and plan.input_bound > most:
        raise denied(
            f"This agent may send at most {most} input tokens, and the call may have {plan.input_bound}. "
            f"{_BOUND} Send less, or have the limit raised.",
            "max_input_tokens",
        )
    most = limits.max_total_tokens
    total = plan.input_bound + plan.output_bound
    if most is not None and total > most:
        raise denied(
            f"This agent may use at most {most} tokens a call, and this one may use {plan.input_bound} for input "
            f"and {plan.output_bound} for output. {_BOUND} Send less, or ask for fewer output tokens.",
            "max_total_tokens",
        )
