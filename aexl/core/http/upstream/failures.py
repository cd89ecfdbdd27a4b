"""The exceptions that the upstream transport raises: httpx's own, with one fact added.

``error.sent`` is ``False`` where provably no byte of the request left this machine,
and ``True`` otherwise; for exceptions of other origin, who translates them assumes
the worse: ``getattr(error, "sent", True)``.
"""

from __future__ import annotations

from typing import TypeVar

import httpx

E = TypeVar("E", bound=httpx.TransportError)


def failure(kind: type[E], message: str, *, sent: bool, request: httpx.Request | None = None) -> E:
    """Return an exception that knows whether bytes of the request went out."""
    error = kind(message, request=request)
    error.sent = sent  # type: ignore[attr-defined]  # the fact added; see above
    return error
