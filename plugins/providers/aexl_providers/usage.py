"""What a call consumed, from the dialects' words to the one normal form.

The dialects count differently. OpenAI's prompt tokens contain what was read from
and written to a cache; Anthropic's do not. Thinking is part of the output tokens at
OpenAI and Anthropic, but some compatible servers leave it out of them and only add
it to the total. Absent and ``null`` details mean nothing of that class; zero is a value.

Counts that cannot be true (negative, not whole, over 2**53, parts larger than their
whole, a total below its parts) are worse than none: the call is then booked by its
bound, and a line in the log says why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from aexl.api import Usage

logger = logging.getLogger(__name__)

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

_NO_TIER: Final = frozenset({None, "", "auto", "default", "standard", "standard_only"})
_SEARCH_ACTIONS: Final = frozenset({None, "search"})
"""Opening and reading a page that was found are part of the search."""


class Implausible(ValueError):
    """A report of usage cannot be true."""


class _InputDetails(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None


class ChatUsage(msgspec.Struct):
    """``usage`` of chat/completions and completions; ``prompt_cache_hit_tokens`` is DeepSeek's."""

    prompt_tokens: Count
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: Count | None = None


class ResponsesUsage(msgspec.Struct):
    """``usage`` of a response."""

    input_tokens: Count
    output_tokens: Count
    total_tokens: Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class OutputItem(msgspec.Struct):
    """An item of a response's output, as far as it may be a use of a server tool."""

    type: object = None
    action: object = None


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: Count | None = None
    ephemeral_1h_input_tokens: Count | None = None


class MessagesUsage(msgspec.Struct):
    """``usage`` of a message; in a stream, what an event leaves out has been said before."""

    input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens: Count | None = None
    server_tool_use: dict[str, object] | None = None
    service_tier: object = None
    speed: object = None

    def followed_by(self, later: MessagesUsage) -> MessagesUsage:
        """Return what holds after a later report: its counts are cumulative, and win where it has them."""
        changes = {name: value for name in self.__struct_fields__ if (value := getattr(later, name)) is not None}
        return msgspec.structs.replace(self, **changes)


class TokensUsage(msgspec.Struct):
    """``usage`` of pictures, and of speech that is counted in tokens; the singular of the details is transcription's."""

    input_tokens: Count
    output_tokens: Count = 0
    total_tokens: Count | None = None
    input_tokens_details: _InputDetails | None = None
    input_token_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def tier_of(name: object) -> str:
    """Return a service tier as ``Usage`` has it: empty for the ordinary one."""
    return name if isinstance(name, str) and name not in _NO_TIER else ""


def from_chat(usage: ChatUsage, tier: object = None, tools: Mapping[str, int] | None = None) -> Usage:
    """Return the normal form of a chat completion's usage.

    Raises:
        Implausible: If the counts contradict each other.
    """
    details = usage.prompt_tokens_details or _InputDetails()
    cached = details.cached_tokens
    if cached is None:
        cached = usage.prompt_cache_hit_tokens or 0
    thought = (usage.completion_tokens_details or _OutputDetails()).reasoning_tokens or 0
    written = details.cache_write_tokens or 0
    output = usage.completion_tokens or 0
    parts = _parts(details, usage.completion_tokens_details, usage.prompt_tokens - cached - written, output)
    return normal(usage.prompt_tokens, cached, written, output, thought, usage.total_tokens, tier, tools, parts)


def from_responses(usage: ResponsesUsage, tier: object = None, tools: Mapping[str, int] | None = None) -> Usage:
    """Return the normal form of a response's usage.

    Raises:
        Implausible: If the counts contradict each other.
    """
    details = usage.input_tokens_details or _InputDetails()
    thought = (usage.output_tokens_details or _OutputDetails()).reasoning_tokens or 0
    return normal(
        usage.input_tokens,
        details.cached_tokens or 0,
        details.cache_write_tokens or 0,
        usage.output_tokens,
        thought,
        usage.total_tokens,
        tier,
        tools,
    )


def from_tokens(usage: TokensUsage, made: str) -> Usage:
    """Return the normal form of the tokens of pictures or speech.

    Args:
        made: What output is where the details do not say: ``image``, ``audio``, or empty for text.

    Raises:
        Implausible: If the counts contradict each other.
    """
    details = usage.input_tokens_details or usage.input_token_details or _InputDetails()
    cached = details.cached_tokens or 0
    output = usage.output_tokens_details
    if output is None and made:
        output = _OutputDetails(**{f"{made}_tokens": usage.output_tokens})
    parts = _parts(details, output, usage.input_tokens - cached, usage.output_tokens)
    return normal(usage.input_tokens, cached, 0, usage.output_tokens, 0, usage.total_tokens, parts=parts)


def _parts(given: _InputDetails, made: _OutputDetails | None, fresh: int, output: int) -> Mapping[str, int]:
    """Return the tokens that were no text; none of them was cached, for all that these dialects say."""
    if not (given.audio_tokens or given.image_tokens or (made and (made.audio_tokens or made.image_tokens))):
        return {}
    made = made or _OutputDetails()
    parts = {
        "input_audio": min(given.audio_tokens or 0, max(fresh, 0)),
        "input_image": min(given.image_tokens or 0, max(fresh, 0)),
        "output_audio": min(made.audio_tokens or 0, output),
        "output_image": min(made.image_tokens or 0, output),
    }
    return {part: count for part, count in parts.items() if count}


def normal(
    prompt: int,
    cached: int,
    written: int,
    output: int,
    thought: int,
    total: int | None,
    tier: object = None,
    tools: Mapping[str, int] | None = None,
    parts: Mapping[str, int] | None = None,
) -> Usage:
    """Return a usage whose prompt contains what was cached, and whose total may tell of hidden thinking.

    Raises:
        Implausible: If the counts contradict each other.
    """
    if cached + written > prompt:
        raise Implausible(f"{cached} cached and {written} cache-write tokens of {prompt} input tokens")
    if total is not None and total != prompt + output:
        # Gemini's and xAI's compatible servers count thinking in the total alone, and bill it as output.
        hidden = total - prompt - output
        if hidden < 0:
            raise Implausible(f"a total of {total} with {prompt} input and {output} output tokens")
        thought = max(thought, hidden)
        output += hidden
    if thought > output:
        raise Implausible(f"{thought} reasoning tokens of {output} output tokens")
    return Usage(
        input_tokens=prompt - cached - written,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
        reasoning_tokens=thought,
        tool_uses=tools or {},
        tier=tier_of(tier),
        parts=parts or {},
    )


def from_messages(usage: MessagesUsage) -> Usage:
    """Return the normal form of a message's usage, whose input classes do not overlap.

    Raises:
        Implausible: If counts are missing or contradict each other.
    """
    if usage.input_tokens is None or usage.output_tokens is None:
        raise Implausible("no input or no output tokens")
    written = usage.cache_creation_input_tokens or 0
    hour = 0
    if usage.cache_creation is not None:
        short = usage.cache_creation.ephemeral_5m_input_tokens or 0
        hour = usage.cache_creation.ephemeral_1h_input_tokens or 0
        if usage.cache_creation_input_tokens is None:
            written = short + hour
        if short + hour != written:
            raise Implausible(f"{short} and {hour} cache-write tokens of {written}")
    uses = {
        name.removesuffix("_requests"): count
        for name, count in (usage.server_tool_use or {}).items()
        if type(count) is int and 0 < count <= 2**53
    }
    return Usage(
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cache_read_input_tokens or 0,
        cache_write_tokens=written - hour,
        cache_write_1h_tokens=hour,
        output_tokens=usage.output_tokens,
        tool_uses=uses,
        tier="fast" if usage.speed == "fast" else tier_of(usage.service_tier),
    )


def count_tools(output: list[OutputItem] | None) -> dict[str, int]:
    """Return how often each server tool was used, by the items of a response's output."""
    uses: dict[str, int] = {}
    for item in output or ():
        kind = item.type
        if not isinstance(kind, str) or not kind.endswith("_call"):
            continue
        if kind == "web_search_call":
            action = item.action.get("type") if isinstance(item.action, dict) else None
            if action not in _SEARCH_ACTIONS:
                continue
        elif kind not in ("file_search_call", "code_interpreter_call", "image_generation_call"):
            continue
        name = kind.removesuffix("_call")
        uses[name] = uses.get(name, 0) + 1
    return uses
