"""Tokens of users and services: ``aexl_<id>_<secret>``. Pure; of the secret only the SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Final, NamedTuple

from aexl.errors import Refused

_FORM: Final = re.compile(r"aexl_([0-9a-f]{16})_([0-9a-f]{48})", re.ASCII)
_HEADERS: Final = frozenset({b"x-api-token", b"x-api-key"})


class Minted(NamedTuple):
    """A new token: its id, what is shown once, and what is kept."""

    id: str
    text: str
    digest: str


def mint() -> Minted:
    """Return a fresh token of 192 random bits, whose hash says nothing about it."""
    id, secret = secrets.token_hex(8), secrets.token_hex(24)
    return Minted(id, f"aexl_{id}_{secret}", _digest(secret))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def take_apart(token: str) -> tuple[str, str]:
    """Return a token's id and the digest of its secret.

    Raises:
        Refused: 401 if it has not the form of one.
    """
    found = _FORM.fullmatch(token)
    if found is None:
        raise unknown_token()
    return found[1], _digest(found[2])


def matches(digest: str, kept: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(digest, kept)


def unknown_token() -> Refused:
    """Return the refusal of a token that is none of ours, for whatever reason."""
    return Refused(
        "the token is not one of this server's users or services, or has been revoked; 'aexl auth login' takes another",
        code="invalid_token",
        status=401,
    )


def find_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the one token that a request brings, in whichever header its client uses.

    Raises:
        Refused: 401 if there is none, or two that differ.
    """
    found: set[bytes] = set()
    for name, value in headers:
        if name == b"authorization":
            kind, _, token = value.partition(b" ")
            found.add(token.strip() if kind.lower() == b"bearer" else b"")
        elif name in _HEADERS:
            found.add(value)
    if len(found) > 1:
        raise Refused("two different tokens were sent; send one", code="conflicting_tokens", status=401)
    token = found.pop() if found else b""
    if not token:
        raise Refused(
            "no token was sent; put one into 'Authorization: Bearer' or 'X-API-Token'", code="missing_token", status=401
        )
    return token.decode("latin-1")
