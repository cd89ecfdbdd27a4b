"""The top-level parameters that each dialect has; what ``strict`` agents are held to.

From the published client libraries (openai 3.52, anthropic 2.11) and Google's
reference of ``generateContent``, November 2026.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from aexl.api import Call, Surface
from aexl_policy.rules.denials import denied, shown

_SAMPLING: Final = frozenset({"temperature", "top_p", "stream", "model"})
_CACHE: Final = frozenset({"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"})

_CHAT: Final = (
    _SAMPLING
    | _CACHE
    | {
        "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
        "max_tokens", "messages", "metadata", "modalities", "moderation", "n", "parallel_tool_calls", "prediction",
        "presence_penalty", "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop",
        "store", "stream_options", "tool_choice", "tools", "top_logprobs", "user", "verbosity", "web_search_options",
    }
)  # fmt: skip
_COMPLETIONS: Final = _SAMPLING | {
    "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n", "presence_penalty", "prompt",
    "seed", "stop", "stream_options", "suffix", "user",
}  # fmt: skip
_RESPONSES: Final = (
    _SAMPLING
    | _CACHE
    | {
        "access_programs", "background", "context_management", "conversation", "image", "include", "input",
        "instructions", "max_output_tokens", "max_tool_calls", "metadata", "moderation", "parallel_tool_calls",
        "previous_response_id", "prompt", "reasoning", "safety_identifier", "service_tier", "store", "stream_options",
        "text", "tool_choice", "tools", "top_logprobs", "truncation", "user",
    }
)  # fmt: skip
_MESSAGES: Final = _SAMPLING | {
    "billing_policy", "cache_control", "compaction", "container", "context_management", "diagnostics",
    "fallback_credit_token", "fallbacks", "inference_geo", "max_tokens", "mcp_servers", "messages", "metadata",
    "output_config", "output_format", "service_tier", "speed", "stop_sequences", "system", "thinking", "thread",
    "tool_choice", "tools", "top_k", "user_profile_id", "workspace_id",
}  # fmt: skip
_GEMINI: Final = frozenset(
    {
        "model", "contents", "tools", "toolConfig", "safetySettings", "systemInstruction", "generationConfig",
        "cachedContent", "labels", "serviceTier", "store",
        "tool_config", "safety_settings", "system_instruction", "generation_config", "cached_content", "service_tier",
    }
)  # fmt: skip
_GEMINI_EMBEDDINGS: Final = frozenset(
    {
        "model", "content", "requests", "taskType", "title", "outputDimensionality", "embedContentConfig",
        "task_type", "output_dimensionality", "embed_content_config",
    }
)  # fmt: skip
_IMAGES: Final = frozenset(
    {
        "background", "complexity", "frame_count", "frame_duration_ms", "image", "image[]", "images",
        "input_fidelity", "mask", "model", "moderation", "n", "output_compression", "output_format",
        "partial_images", "prompt", "quality", "response_format", "safety_identifier", "size", "stream", "style",
        "svg", "user",
    }
)  # fmt: skip
_SPEECH: Final = frozenset({"input", "instructions", "model", "response_format", "speed", "stream_format", "voice"})
_TRANSCRIPTIONS: Final = frozenset(
    {
        "chunking_strategy", "file", "include[]", "keywords[]", "known_speaker_names[]", "known_speaker_references[]",
        "language", "languages[]", "model", "prompt", "response_format", "stream", "temperature",
        "timestamp_granularities[]",
    }
)  # fmt: skip
_EMBEDDINGS: Final = frozenset({"model", "input", "dimensions", "encoding_format", "user"})
_COUNT: Final = (_MESSAGES | _RESPONSES | _GEMINI | {"personality"}) - {"stream", "max_tokens", "max_output_tokens"}

KNOWN: Final[Mapping[Surface, frozenset[str]]] = {
    "chat": frozenset(_CHAT),
    "completions": frozenset(_COMPLETIONS),
    "responses": frozenset(_RESPONSES),
    "messages": frozenset(_MESSAGES),
    "count": frozenset(_COUNT),
    "gemini": _GEMINI,
    "gemini_embeddings": _GEMINI_EMBEDDINGS,
    "embeddings": _EMBEDDINGS,
    "images": _IMAGES,
    "speech": _SPEECH,
    "transcriptions": _TRANSCRIPTIONS,
    "moderations": frozenset({"model", "input"}),
}
"""By surface; ``tools`` and ``stored`` have no body of their own to check."""


def check_known(call: Call) -> None:
    """Raise a 403 that names the first parameter that the call's dialect does not have."""
    known = KNOWN.get(call.surface)
    if known is None:
        return
    for key in call.body:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise denied(
                f"This agent may use known parameters only, and {shown(key)} is not one of this endpoint.{hint}",
                "unknown_parameter",
                key if len(key) <= 100 else None,
            )
