"""Which paths there are below a surface's root, and which there are not yet. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from aexl.api import Surface
from aexl.errors import Refused
from aexl_proxy.dialects import Dialect
from aexl_proxy.endpoints import (
    read_completions,
    read_embeddings,
    read_images,
    read_moderations,
    read_speech,
    read_transcriptions,
)
from aexl_proxy.fields import refusal
from aexl_proxy.surfaces import (
    Reader,
    read_chat,
    read_count_messages,
    read_count_responses,
    read_messages,
    read_responses,
)

PREFIXES: Final = ("/v1", "/openai/v1", "/anthropic/v1")
"""Where the surfaces are served; each has all of them."""

GEMINI_PREFIXES: Final = ("/v1beta", "/v1alpha", "/gemini")
"""Where Gemini's surface is served; its paths are also found below ``/models`` and ``/v1/models``."""


class Route:
    """A path that takes calls by POST.

    Attributes:
        read: Reads the governed fields of a body.
        refers: A body may name a stored response in ``previous_response_id``.
        forms: The body may be a form.
        query: What of the query string makes another request of it.
    """

    def __init__(
        self,
        path: str,
        surface: Surface,
        read: Reader,
        *,
        dialect: Dialect = "openai",
        forms: bool = False,
        query: str = "",
    ) -> None:
        self.path = path
        self.surface = surface
        self.read = read
        self.dialect = dialect
        self.forms = forms
        self.refers = path.startswith("/responses")
        self._digest = hashlib.sha256(_fingerprint_start("POST", f"{path}?{query}" if query else path))

    def fingerprint(self, data: bytes) -> bytes:
        """Return what tells this request from others: SHA-256 of method, path and the exact body."""
        digest = self._digest.copy()
        digest.update(data)
        return digest.digest()


def fingerprint(method: str, path: str, data: bytes) -> bytes:
    """Return ``Route.fingerprint`` for any method and path."""
    return hashlib.sha256(_fingerprint_start(method, path) + data).digest()


def _fingerprint_start(method: str, path: str) -> bytes:
    return f"{method} {path} ".encode()


ROUTES: Final[Mapping[str, Route]] = {
    route.path: route
    for route in (
        Route("/chat/completions", "chat", read_chat),
        Route("/responses", "responses", read_responses),
        Route("/messages", "messages", read_messages, dialect="anthropic"),
        Route("/messages/count_tokens", "count", read_count_messages, dialect="anthropic"),
        Route("/responses/input_tokens", "count", read_count_responses),
        Route("/completions", "completions", read_completions),
        Route("/embeddings", "embeddings", read_embeddings),
        Route("/moderations", "moderations", read_moderations),
        Route("/images/generations", "images", read_images),
        Route("/images/edits", "images", read_images, forms=True),
        Route("/images/variations", "images", read_images, forms=True),
        Route("/audio/speech", "speech", read_speech),
        Route("/audio/transcriptions", "transcriptions", read_transcriptions, forms=True),
        Route("/audio/translations", "transcriptions", read_transcriptions, forms=True),
    )
}

_SHARED: Final = (
    "what is kept at the provider is kept under one key for all agents, and nobody here could say whose it is"
)
_LATER: Final = "what it costs is not known when it is answered"
_OPEN: Final = "its connection stays open, and what it costs cannot be held before"

# Endpoints of the APIs that cost money or reach another agent's data, and that nothing here governs; and why.
_UNGOVERNED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "agents",
            "assistants",
            "cachedContents",
            "containers",
            "conversations",
            "corpora",
            "environments",
            "fileSearchStores",
            "files",
            "sessions",
            "skills",
            "threads",
            "uploads",
            "vector_stores",
        ),
        _SHARED,
    ),
    **dict.fromkeys(("batches", "evals", "fine_tuning", "interactions", "operations", "tunedModels", "videos"), _LATER),
    "realtime": _OPEN,
    **dict.fromkeys(("audio", "complete", "images", "organizations"), "it is none of those that aexl knows"),
}
_UNGOVERNED_BELOW: Final = ("/chat/completions", "/messages/batches", "/responses/compact")


def wrong_method(method: str, path: str, allowed: Sequence[str]) -> Refused:
    """Return the 405 of a path that exists."""
    allow = ", ".join(allowed)
    return refusal(
        f"{path[:100]} takes {allow}, not {method}",
        code="method_not_allowed",
        status=405,
        headers=((b"allow", allow.encode()),),
    )


def no_websocket() -> Refused:
    """Return the answer at which clients go on without a WebSocket."""
    return refusal(
        "WebSockets are not served here; send POST /v1/responses with stream: true",
        code="websocket_not_supported",
        status=426,
    )


def why_ungoverned(path: str) -> str:
    """Return why a path below a version is not passed on; empty where nothing is known of it."""
    first = path.strip("/").partition("/")[0]
    return _UNGOVERNED.get(first, _LATER if path.startswith(_UNGOVERNED_BELOW) else "")


def unknown_path(prefix: str, path: str) -> Refused:
    """Return the 404 of a path below a prefix, saying which kind of unknown it is."""
    shown = ascii(f"{prefix}{path[:100]}")
    why = why_ungoverned(path)
    if why:
        return refusal(
            f"{shown} is not governed yet, so it is not passed on: {why}; "
            f"use chat/completions, responses or messages, or call the provider directly",
            code="endpoint_not_governed",
            status=404,
        )
    return refusal(
        f"there is nothing at {shown}; below {prefix} are {', '.join(ROUTES)} and /models",
        code="unknown_path",
        status=404,
    )
