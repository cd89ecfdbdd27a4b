"""The names of OpenTelemetry's GenAI conventions: operations, providers, what a call's request says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from aexl.api import Body, Call, Outcome, Surface, Target, Usage
from aexl.errors import Invalid
from aexl_telemetry.otlp import Value

OPERATIONS: Final[Mapping[Surface, str]] = {
    "chat": "chat",
    "responses": "chat",
    "messages": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "gemini": "generate_content",
    "gemini_embeddings": "embeddings",
    "images": "image_generation",
    "speech": "speech",
    "transcriptions": "transcription",
    "moderations": "moderation",
    "tools": "execute_tool",
    "count": "count_tokens",
    "stored": "fetch_response",
}
"""What each surface does; names that the conventions do not have are our own."""

_PROVIDERS: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Usual names of providers in a configuration, where the conventions have other ones."""

_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "gen_ai.request.temperature": ("temperature",),
    "gen_ai.request.top_p": ("top_p", "topP"),
    "gen_ai.request.top_k": ("top_k", "topK"),
    "gen_ai.request.frequency_penalty": ("frequency_penalty", "frequencyPenalty"),
    "gen_ai.request.presence_penalty": ("presence_penalty", "presencePenalty"),
}
_SEED: Final = ("seed",)
_STOPS: Final = ("stop", "stop_sequences", "stopSequences")


def operation(surface: Surface) -> str:
    """Return the operation's name."""
    return OPERATIONS.get(surface, surface)


def provider(name: str) -> str:
    """Return the provider's name; what the conventions do not know keeps the configuration's."""
    return _PROVIDERS.get(name, name)


def request_attributes(call: Call, target: Target | None) -> dict[str, Value | None]:
    """Return what a call asks for."""
    limit = (target.output_limit if target else None) or call.output_limit
    return {
        "gen_ai.operation.name": operation(call.surface),
        "gen_ai.provider.name": provider(target.provider) if target else "aexl",
        "gen_ai.request.model": target.model if target else call.model,
        "gen_ai.request.max_tokens": limit,
        "gen_ai.request.choice.count": call.choices if call.choices != 1 else None,
        "gen_ai.request.stream": True if call.stream else None,
        **_parameters(call.body),
    }


def usage_attributes(usage: Usage) -> dict[str, Value | None]:
    """Return what a call used; the input counts what was read from and written to caches as well."""
    return {
        "gen_ai.usage.input_tokens": usage.input_total,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }


def error_type(outcome: Outcome) -> str | None:
    """Return what went wrong: the upstream's status, or how the call ended; ``None`` for a good one."""
    if outcome.ending.value == "completed":
        return None
    if outcome.status is not None and not 200 <= outcome.status < 300:
        return str(outcome.status)
    return outcome.ending.value


def _parameters(body: Body) -> dict[str, Value | None]:
    found: dict[str, Value | None] = {}
    try:
        inner = body.inner("generationConfig") or body.inner("generation_config")
    except Invalid:
        inner = None  # the provider will say so
    source = inner or body
    for attribute, keys in _NUMBERS.items():
        number = _read(source, keys)
        if isinstance(number, int | float) and not isinstance(number, bool):
            found[attribute] = float(number)
    seed = _read(source, _SEED)
    if isinstance(seed, int) and not isinstance(seed, bool):
        found["gen_ai.request.seed"] = seed
    stops = _read(source, _STOPS)
    texts = [stops] if isinstance(stops, str) else stops
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        found["gen_ai.request.stop_sequences"] = [str(text) for text in texts]
    return found


def _read(body: Body, keys: tuple[str, ...]) -> object:
    for key in keys:
        raw = body.raw(key)
        if raw is not None:
            try:
                return msgspec.json.decode(raw)
            except msgspec.DecodeError:
                return None
    return None
