"""What was consumed, in the words of each dialect."""

from __future__ import annotations

from aexl.api import Usage

Json = dict[str, object]


def chat_usage(usage: Usage) -> Json:
    """Return ``usage`` of a chat completion."""
    total = usage.input_total
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    return {
        "prompt_tokens": total,
        "completion_tokens": usage.output_tokens,
        "total_tokens": total + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def responses_usage(usage: Usage) -> Json:
    """Return ``usage`` of a response."""
    total = usage.input_total
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    return {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": written},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": total + usage.output_tokens,
    }


def messages_usage(usage: Usage | None) -> Json:
    """Return ``usage`` of a message, which must have one; zeros where nobody knows."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def gemini_usage(usage: Usage) -> Json:
    """Return ``usageMetadata``, whose candidates are without what was thought."""
    total = usage.input_total
    return {
        "promptTokenCount": total,
        "cachedContentTokenCount": usage.cached_input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": total + usage.output_tokens,
    }
