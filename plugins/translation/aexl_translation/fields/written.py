"""What becomes of a request's fields in each dialect that it is written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aexl_translation.dialects import Dialect
from aexl_translation.fields.rules import Fields, no, skip, to
from aexl_translation.pivot import Request
from aexl_translation.refusals import Untranslatable, show

TITLES: Final[Mapping[Dialect, str]] = {
    "chat": "Chat Completions",
    "responses": "Responses",
    "messages": "Messages",
    "gemini": "Gemini's generateContent",
}

_EFFORT: Final = "models that are known to take it get it; for others the configuration decides"
_SAMPLED: Final = "models older than Claude 4.7 get it; newer ones refuse it"
_USER: Final = "the id, or a hash of one that is longer than 64 characters"
_METADATA: Final = skip("labels for the provider's dashboard, which its owner reads and nobody else")
_CACHE_KEY: Final = skip("caching follows the provider's own rules")
_SEED: Final = skip("the same seed is nowhere promised to give the same answer")
_STREAM: Final[Fields] = {
    "origin": skip("where the request comes from"),
    "stream": to("stream"),
    "wants_usage": skip("the provider is always asked for the usage; the client gets it where it asked"),
    "limit": to("the output limit, as the hold covers it"),
}

WRITTEN: Final[Mapping[Dialect, Fields]] = {
    "chat": {
        **_STREAM,
        "instructions": to("the first message, of the role system"),
        "turns": to("messages"),
        "tools": to("tools; one that takes free text becomes a function with one argument"),
        "tool_choice": to("tool_choice; of allowed tools only those are offered"),
        "parallel": to("parallel_tool_calls, where it is off"),
        "format": to("response_format"),
        "thinking": to(f"reasoning_effort: {_EFFORT}"),
        "verbosity": to(f"verbosity: {_EFFORT}"),
        "stop": to("stop"),
        "temperature": to("temperature"),
        "top_p": to("top_p"),
        "top_k": skip("without it the model chooses among a few more words"),
        "frequency_penalty": to("frequency_penalty"),
        "presence_penalty": to("presence_penalty"),
        "seed": to("seed"),
        "logit_bias": no("it names tokens, which differ from model to model"),
        "logprobs": no("an answer in the client's dialect could not hold them"),
        "user": to(f"user: {_USER}"),
        "cache_key": _CACHE_KEY,
        "service_tier": to("service_tier, where the client's dialect has the same tiers"),
        "metadata": _METADATA,
    },
    "responses": {
        **_STREAM,
        "instructions": to("instructions"),
        "turns": to("input"),
        "tools": to("tools"),
        "tool_choice": to("tool_choice; of allowed tools only those are offered"),
        "parallel": to("parallel_tool_calls"),
        "format": to("text.format"),
        "thinking": to(f"reasoning: {_EFFORT}"),
        "verbosity": to(f"text.verbosity: {_EFFORT}"),
        "stop": no("it has no stop sequences"),
        "temperature": to("temperature"),
        "top_p": to("top_p"),
        "top_k": skip("without it the model chooses among a few more words"),
        "frequency_penalty": no("it has no penalties"),
        "presence_penalty": no("it has no penalties"),
        "seed": _SEED,
        "logit_bias": no("it names tokens, which differ from model to model"),
        "logprobs": no("an answer in the client's dialect could not hold them"),
        "user": to(f"safety_identifier: {_USER}"),
        "cache_key": to("prompt_cache_key"),
        "service_tier": to("service_tier, where the client's dialect has the same tiers"),
        "metadata": to("metadata"),
    },
    "messages": {
        **_STREAM,
        "instructions": to("system"),
        "turns": to("messages"),
        "tools": to("tools; one that takes free text becomes one with a single argument"),
        "tool_choice": to("tool_choice; of allowed tools only those are offered"),
        "parallel": to("tool_choice.disable_parallel_tool_use"),
        "format": to("output_config.format; a format without a schema is refused"),
        "thinking": to("thinking and output_config.effort, by what the model's generation takes"),
        "verbosity": skip("how long an answer is, the model decides by the prompt"),
        "stop": to("stop_sequences"),
        "temperature": to(f"temperature: {_SAMPLED}"),
        "top_p": to(f"top_p, where no temperature is named: {_SAMPLED}"),
        "top_k": to(f"top_k: {_SAMPLED}"),
        "frequency_penalty": no("it has no penalties"),
        "presence_penalty": no("it has no penalties"),
        "seed": _SEED,
        "logit_bias": no("it names tokens, which differ from model to model"),
        "logprobs": no("it does not say how likely words were"),
        "user": to(f"metadata.user_id: {_USER}"),
        "cache_key": _CACHE_KEY,
        "service_tier": no("it has no tier of that name", "auto", "default", "standard_only"),
        "metadata": _METADATA,
    },
    "gemini": {
        **_STREAM,
        "instructions": to("systemInstruction"),
        "turns": to("contents"),
        "tools": to("tools.functionDeclarations; one that takes free text becomes one with a single argument"),
        "tool_choice": to("toolConfig.functionCallingConfig"),
        "parallel": skip("whether tools are called at once, the model decides"),
        "format": to("generationConfig.responseMimeType and responseJsonSchema"),
        "thinking": to("generationConfig.thinkingConfig, by what the model's generation takes"),
        "verbosity": skip("how long an answer is, the model decides by the prompt"),
        "stop": to("generationConfig.stopSequences"),
        "temperature": to("generationConfig.temperature"),
        "top_p": to("generationConfig.topP"),
        "top_k": to("generationConfig.topK"),
        "frequency_penalty": to("generationConfig.frequencyPenalty"),
        "presence_penalty": to("generationConfig.presencePenalty"),
        "seed": to("generationConfig.seed"),
        "logit_bias": no("it names tokens, which differ from model to model"),
        "logprobs": no("an answer in the client's dialect could not hold them"),
        "user": skip("it takes no id of the end user"),
        "cache_key": _CACHE_KEY,
        "service_tier": no("it has no tier of that name", "auto", "default", "standard_only"),
        "metadata": _METADATA,
    },
}

_REFUSED: Final = {
    dialect: [(name, rule) for name, rule in fields.items() if rule.fate == "refused"]
    for dialect, fields in WRITTEN.items()
}
_NOTHING: Final[tuple[object, ...]] = (None, "", [], {})
_CLIENT: Final[Mapping[tuple[Dialect, str], str]] = {
    ("messages", "stop"): "stop_sequences",
    ("responses", "logprobs"): "top_logprobs",
    ("gemini", "stop"): "generationConfig.stopSequences",
    ("gemini", "frequency_penalty"): "generationConfig.frequencyPenalty",
    ("gemini", "presence_penalty"): "generationConfig.presencePenalty",
    ("gemini", "logprobs"): "generationConfig.responseLogprobs",
}


def refuse_unsayable(request: Request, dialect: Dialect) -> None:
    """Let a request pass that a dialect can say.

    Raises:
        Untranslatable: Names the client's field, and why the dialect cannot say it.
    """
    for name, rule in _REFUSED[dialect]:
        value = getattr(request, name)
        if value not in _NOTHING and value not in rule.neutral:
            field = _CLIENT.get((request.origin, name), name)
            raise Untranslatable(
                f"{field} ({show(value)}) cannot be translated: the provider speaks {TITLES[dialect]}, and {rule.why}; "
                f"remove it, or use another model",
                field,
            )
