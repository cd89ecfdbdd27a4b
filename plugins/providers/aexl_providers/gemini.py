"""Gemini: where its answers say what was consumed, that they have ended, and by which id they are known.

An answer without ``alt=sse`` streams as the pieces of one JSON array, which is read as a whole body is. Every chunk
of a stream repeats the usage so far, and nothing but a ``finishReason`` of each candidate, or a prompt that was
blocked, says that it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.sse import Frame
from aexl_providers.streams import StreamReader
from aexl_providers.usage import Count, Implausible, normal

_MEDIA: Final[Mapping[object, str]] = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video", "DOCUMENT": "image"}
"""A document's pages are pictures to the model."""

_BY_PROMPT: Final = ("gemini-1", "gemini-2")
"""Families that pay once for a prompt that was searched for; later ones pay for each query."""

_UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"


class _Modality(msgspec.Struct, rename="camel"):
    modality: object = None
    token_count: Count = 0


class GeminiUsage(msgspec.Struct, rename="camel"):
    """``usageMetadata``; zeros are left out. What was cached is inside the prompt, thoughts and tools stand beside."""

    prompt_token_count: Count = 0
    cached_content_token_count: Count = 0
    candidates_token_count: Count = 0
    thoughts_token_count: Count = 0
    tool_use_prompt_token_count: Count = 0
    total_token_count: Count | None = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None
    service_tier: object = None


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[str] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    index: int = 0
    finish_reason: object = None
    grounding_metadata: _Grounding | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: object = None


class GeminiBody(msgspec.Struct, rename="camel"):
    """An answer, or a chunk of one, as far as it is read."""

    usage_metadata: GeminiUsage | None = None
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    response_id: object = None
    model_version: object = None
    error: object = None


_BODY: Final = msgspec.json.Decoder(GeminiBody)
_BODIES: Final = msgspec.json.Decoder(GeminiBody | list[GeminiBody])


def from_gemini(usage: GeminiUsage, searches: int = 0) -> Usage:
    """Return the normal form of an answer's usage.

    Raises:
        Implausible: If the counts contradict each other.
    """
    cached = usage.cached_content_token_count
    given = usage.prompt_token_count + usage.tool_use_prompt_token_count
    return normal(
        given,
        cached,
        0,
        usage.candidates_token_count + usage.thoughts_token_count,
        usage.thoughts_token_count,
        usage.total_token_count,
        usage.service_tier.lower() if isinstance(usage.service_tier, str) else None,
        {"web_search": searches} if searches else None,
        _parts(usage),
    )


def _parts(usage: GeminiUsage) -> Mapping[str, int]:
    given = _count(usage.prompt_tokens_details, usage.tool_use_prompt_tokens_details)
    made = _count(usage.candidates_tokens_details)
    if not (given or made):
        return {}
    cached = _count(usage.cache_tokens_details)
    if sum(cached.values()) > usage.cached_content_token_count or sum(made.values()) > usage.candidates_token_count:
        raise Implausible("details that are more than their whole")
    parts = {f"output_{medium}": count for medium, count in made.items()}
    for medium, count in given.items():
        read = min(cached.get(medium, 0), count)
        parts[f"cached_{medium}"] = read
        parts[f"input_{medium}"] = count - read
    return {part: count for part, count in parts.items() if count}


def _count(*details: list[_Modality] | None) -> dict[str, int]:
    """Return the tokens of each medium that is no text."""
    counts: dict[str, int] = {}
    for entries in details:
        for entry in entries or ():
            medium = _MEDIA.get(entry.modality)
            if medium is not None:
                counts[medium] = counts.get(medium, 0) + entry.token_count
    return counts


class Progress:
    """What the chunks of one answer have said so far; whole answers have one.

    Attributes:
        usage: The latest report.
        failed: A chunk was an error.
    """

    __slots__ = ("_blocked", "_finished", "_queries", "_seen", "failed", "response_id", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.response_id: str | None = None
        self.failed = False
        self._blocked = False
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._queries: set[str] = set()

    @property
    def ended(self) -> bool:
        """Every candidate has finished, or the prompt was blocked."""
        return self._blocked or (bool(self._finished) and self._finished == self._seen)

    def note(self, chunk: GeminiBody) -> None:
        """Take in a chunk.

        Raises:
            Implausible: If its usage cannot be true.
        """
        if chunk.error is not None:
            self.failed = True
        if isinstance(chunk.response_id, str):
            self.response_id = chunk.response_id
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
            self._blocked = True
        for candidate in chunk.candidates or ():
            self._seen.add(candidate.index)
            if candidate.finish_reason not in (None, _UNSPECIFIED):
                self._finished.add(candidate.index)
            if candidate.grounding_metadata is not None:
                self._queries.update(filter(None, candidate.grounding_metadata.web_search_queries or ()))
        if chunk.usage_metadata is not None:
            self.usage = None
            searches = len(self._queries)
            if isinstance(chunk.model_version, str) and chunk.model_version.startswith(_BY_PROMPT):
                searches = min(searches, 1)
            self.usage = from_gemini(chunk.usage_metadata, searches)


def read_whole(body: bytes) -> Progress:
    """Read a whole answer, or the array that a stream without events is.

    Raises:
        msgspec.MsgspecError: If it is neither.
        Implausible: If the usage cannot be true.
    """
    read = _BODIES.decode(body)
    progress = Progress()
    for chunk in read if isinstance(read, list) else (read,):
        progress.note(chunk)
    return progress


class GeminiReader(StreamReader):
    """Gemini: unnamed events, each with the usage so far, which is believed to be all of it when the answer has ended."""

    __slots__ = ("_progress",)

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress()

    def close(self) -> bytes:
        """Return what the end of the stream leaves over; without a finish there is no usage."""
        rest = super().close()
        if not self._progress.ended:
            self.usage = None
        return rest

    def _observe(self, frame: Frame) -> None:
        if frame.data is None:
            return
        progress = self._progress
        try:
            progress.note(_BODY.decode(frame.data))
        finally:
            self.usage = progress.usage
            self.upstream_id = progress.response_id
            self.ended = progress.ended or progress.failed
            self.failed = progress.failed


class _Embedded(msgspec.Struct, rename="camel"):
    usage_metadata: GeminiUsage | None = None


_EMBEDDED: Final = msgspec.json.Decoder(_Embedded)


def embedding_usage(body: bytes) -> Usage | None:
    """Return what embeddings say was consumed; older models do not say."""
    usage = _EMBEDDED.decode(body).usage_metadata
    return None if usage is None else from_gemini(usage)


def rename_models(requests: object, model: str) -> object:
    """Return the requests of a batch, each with the provider's name of the model."""
    if not isinstance(requests, list):
        return requests
    return [{**entry, "model": model} if isinstance(entry, dict) and "model" in entry else entry for entry in requests]
