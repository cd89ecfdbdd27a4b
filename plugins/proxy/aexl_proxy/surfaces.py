"""What each surface calls the governed fields, and what it accepts in them. Pure.

Only what governance needs is looked at. Everything else is the provider's to
judge, so that parameters nobody has heard of yet pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from aexl.api import Body
from aexl_proxy.fields import (
    check_count,
    read,
    read_count,
    read_flag,
    read_model,
    read_object,
    refusal,
)

LEAST_OUTPUT: Final = 1024
"""A budget never clamps an output limit below this many tokens (DESIGN section 3)."""

MOST_CHOICES: Final = 128
"""The provider's own limit of ``n``."""


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What a body asks for, in the words of ``aexl.api.Call``."""

    model: str
    stream: bool
    output_limit: int | None
    output_key: str
    output_floor: int
    choices: int


Reader = Callable[[Body], Wish]


def read_chat(body: Body) -> Wish:
    """Read a body of ``/chat/completions``."""
    model = read_model(body)
    stream = read_stream(body)
    limit = read_count(body, "max_completion_tokens")
    key = "max_completion_tokens"
    old_limit = read_count(body, "max_tokens")
    if old_limit is not None:
        if limit is not None:
            raise refusal(
                "max_tokens and max_completion_tokens are the same limit; send one of them",
                code="invalid_value",
                param="max_tokens",
            )
        limit, key = old_limit, "max_tokens"
    choices = read_count(body, "n", MOST_CHOICES)
    return Wish(model, stream, limit, key, LEAST_OUTPUT, choices or 1)


def read_responses(body: Body) -> Wish:
    """Read a body of ``/responses``."""
    model = read_model(body)
    stream = read_stream(body)
    _refuse_conversation(body)
    if read_flag(body, "background") and not stream:
        raise refusal(
            "background responses are not governed yet, because they are not paid for when they are answered; "
            "send background with stream, or neither",
            code="not_governed",
            param="background",
        )
    limit = read_count(body, "max_output_tokens")
    return Wish(model, stream, limit, "max_output_tokens", LEAST_OUTPUT, 1)


def read_messages(body: Body) -> Wish:
    """Read a body of ``/messages``."""
    model = read_model(body)
    stream = read_flag(body, "stream")
    limit = read_count(body, "max_tokens")
    if limit is None:
        raise refusal(
            "max_tokens is missing; it must be the most tokens of the answer",
            code="missing_required_parameter",
            param="max_tokens",
        )
    return Wish(model, stream, limit, "max_tokens", _thinking_floor(body), 1)


def read_count_messages(body: Body) -> Wish:
    """Read a body of ``/messages/count_tokens``."""
    return Wish(read_model(body), False, None, "max_tokens", LEAST_OUTPUT, 1)


def read_count_responses(body: Body) -> Wish:
    """Read a body of ``/responses/input_tokens``."""
    _refuse_conversation(body)
    return Wish(read_model(body), False, None, "max_output_tokens", LEAST_OUTPUT, 1)


def read_stream(body: Body) -> bool:
    """Return ``stream``, without which there must be no ``stream_options``."""
    stream = read_flag(body, "stream")
    if "stream_options" in body and read_object(body, "stream_options") is not None and not stream:
        raise refusal(
            "stream_options is only allowed when stream is true; remove it or send stream: true",
            code="invalid_value",
            param="stream_options",
        )
    return stream


def _refuse_conversation(body: Body) -> None:
    if "conversation" in body and read(body, "conversation") is not None:
        raise refusal(
            "conversations are not governed yet, because nobody here knows whose they are; "
            "send the earlier items as input, or previous_response_id",
            code="not_governed",
            param="conversation",
        )


def _thinking_floor(body: Body) -> int:
    """Return one token more than is thought, so that a clamped call can still answer."""
    if "thinking" not in body:
        return LEAST_OUTPUT
    thinking = read_object(body, "thinking")
    budget = None if thinking is None else thinking.get("budget_tokens")
    if budget is None:
        return LEAST_OUTPUT
    return max(LEAST_OUTPUT, check_count(budget, "thinking.budget_tokens") + 1)
