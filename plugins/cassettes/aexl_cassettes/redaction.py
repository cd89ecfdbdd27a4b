"""Taking keys out of what is written down. Pure.

What is redacted is decided by names (of headers, query parameters, fields of a
body) and by the shapes that keys are known to have, wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, urlencode

REDACTED: Final = "[redacted]"

_SECRET_NAME: Final = re.compile(
    r"auth|cookie|credential|passw|secret|signature|session|token$|(?:^|[-_])key$|apikey|api[-_]key", re.IGNORECASE
)
"""Names of headers and query parameters whose values may open something."""

_SECRET_FIELDS: Final = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "auth_token",
        "authorization",
        "authorization_token",
        "client_secret",
        "cookie",
        "password",
        "proxy-authorization",
        "refresh_token",
        "set-cookie",
        "x-api-key",
        "x-goog-api-key",
    }
)
"""Fields of a body, in lower case; only a string as their value is one (in a JSON schema they are objects)."""

_KEY: Final = re.compile(
    r"\baexl_[A-Za-z0-9]+_[A-Za-z0-9_-]{16,}"  # our own tokens
    r"|\bsk-[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, DeepSeek, OpenRouter
    r"|\bgsk_[A-Za-z0-9]{20,}|\bxai-[A-Za-z0-9]{20,}|\bhf_[A-Za-z0-9]{20,}|\bpplx-[A-Za-z0-9]{20,}"
    r"|\bAIza[A-Za-z0-9_-]{35}|\bAKIA[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|\b[Bb]earer +[A-Za-z0-9._~+/-]{16,}=*"
)


def redact_text(text: str, known: str | None = None) -> str:
    """Return a text without keys.

    Args:
        known: A key that is taken out whatever its shape.
    """
    if known:
        text = text.replace(known, REDACTED)
    return _KEY.sub(REDACTED, text)


def redact_json(value: object, known: str | None = None) -> object:
    """Return a decoded JSON value without keys; nothing else changes."""
    if isinstance(value, str):
        return redact_text(value, known)
    if isinstance(value, list):
        return [redact_json(item, known) for item in value]
    if isinstance(value, dict):
        return {
            name: REDACTED if isinstance(item, str) and name.lower() in _SECRET_FIELDS else redact_json(item, known)
            for name, item in value.items()
        }
    return value


def redact_query(query: str, known: str | None = None) -> str:
    """Return a query string without keys."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, _redact_value(name, value, known)) for name, value in pairs])


def redact_headers(headers: Iterable[tuple[bytes, bytes]], known: str | None = None) -> list[tuple[str, str]]:
    """Return headers as text, without keys."""
    texts = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    return [(name, _redact_value(name, value, known)) for name, value in texts]


def _redact_value(name: str, value: str, known: str | None) -> str:
    return REDACTED if _SECRET_NAME.search(name) else redact_text(value, known)
