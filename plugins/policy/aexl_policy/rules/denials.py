"""How a rule says no."""

from __future__ import annotations

from aexl.api import Body
from aexl.errors import Refused


def denied(reason: str, code: str, param: str | None = None) -> Refused:
    """Return a 403 whose ``code`` names the rule."""
    return Refused(reason, code=code, status=403, param=param)


def shown(name: str) -> str:
    """Return a caller's word as it may stand in a message: quoted, without control characters, not endless."""
    return repr(name if len(name) <= 100 else name[:97] + "...")


def mentions(body: Body, key: str, word: bytes) -> bool:
    r"""Tell whether a value can contain a word, without decoding it.

    JSON can spell a letter only as itself or as ``\uXXXX``, so a value with
    neither the word nor such an escape does not contain it.
    """
    raw = body.raw(key)
    return raw is not None and (word in raw or b"\\u" in raw)
