"""Carrying what only one provider can read through a dialect that has no place for it.

A signature, or reasoning that is encrypted, comes back with the next request of the
conversation. It travels as ``aexl.<dialect>.<id>.<content>`` where the client's
dialect has a place for its own kind of it, and is taken apart again here.
"""

from __future__ import annotations

from typing import Final

from aexl_translation.dialects import Dialect
from aexl_translation.pivot import Reasoning

_PREFIX: Final = "aexl."
_REDACTED: Final = "redacted"


def seal(reasoning: Reasoning) -> str:
    """Return what another dialect than the reasoning's own carries in its place."""
    kind = _REDACTED if reasoning.redacted else reasoning.id
    return f"{_PREFIX}{reasoning.origin}.{kind}.{reasoning.opaque}"


def unseal(sealed: str, text: str, origin: Dialect, *, id: str = "", redacted: bool = False) -> Reasoning:
    """Return the reasoning that a client gave back.

    Args:
        sealed: What stood in the place of the signature.
        text: What was shown.
        origin: The client's dialect, which is where it comes from if it was not sealed.
        id: The item's id in the client's dialect.
        redacted: The client's dialect says that there is nothing to show.
    """
    if sealed.startswith(_PREFIX):
        dialect, dot, rest = sealed[len(_PREFIX) :].partition(".")
        kind, second, content = rest.partition(".")
        for known in ("chat", "responses", "messages", "gemini"):
            if dialect == known and dot and second:
                hidden = kind == _REDACTED
                return Reasoning(known, text, content, "" if hidden else kind, hidden)
    return Reasoning(origin, text, sealed, id, redacted)
