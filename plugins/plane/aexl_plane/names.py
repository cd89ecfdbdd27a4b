"""What things are called, and what tokens may do. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final, Literal, get_args

from aexl.errors import Invalid

Right = Literal["read", "write", "execute", "admin"]
"""What a token may do: look; change files; run actions and use memory; manage the tenant, and all the rest."""

RIGHTS: Final[tuple[Right, ...]] = get_args(Right)

Kind = Literal["tn", "us", "ws", "pr", "up", "ic", "cp", "dp"]

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f<>]{1,128}@[A-Za-z0-9.-]{1,125}", re.ASCII)
_LABEL: Final = 200
"""Characters of a name for people."""


def new_id(kind: Kind) -> str:
    """Return a fresh id, whose underscore keeps it apart from every slug."""
    return f"{kind}_{secrets.token_hex(10)}"


def check_slug(text: str, what: str) -> str:
    """Return a name that can stand in a path.

    Raises:
        Invalid: If it is none.
    """
    if _SLUG.fullmatch(text) is None:
        raise Invalid(
            f"{text[:80]!r} cannot be {what}: use 1 to 63 small letters, digits and hyphens, no hyphen at an end"
        )
    return text


def check_email(text: str) -> str:
    """Return a user's address; nothing is ever sent to it.

    Raises:
        Invalid: If it is none.
    """
    if _EMAIL.fullmatch(text) is None:
        raise Invalid(f"{text[:80]!r} is not a user's address: write name@example.org")
    return text


def check_label(text: str, what: str) -> str:
    """Return a name for people: one printable line.

    Raises:
        Invalid: If it is empty, too long or has control characters.
    """
    if not 1 <= len(text) <= _LABEL or not text.isprintable():
        raise Invalid(f"{text[:80]!r} cannot be {what}: use 1 to {_LABEL} printable characters")
    return text


def check_rights(names: Iterable[str]) -> frozenset[Right]:
    """Return rights by their names.

    Raises:
        Invalid: If one is not known, or there is none.
    """
    found = frozenset(right for right in RIGHTS if right in set(names))
    unknown = sorted(set(names) - set(RIGHTS))
    if unknown or not found:
        raise Invalid(f"{', '.join(unknown) or 'nothing'} is no scope; there are {', '.join(RIGHTS)}")
    return found


def covers(held: frozenset[Right], needed: Right) -> bool:
    """Say whether rights include one: ``admin`` has all, and whoever may change or run may look."""
    return needed in held or "admin" in held or (needed == "read" and bool(held))


def within(wanted: frozenset[Right], held: frozenset[Right]) -> bool:
    """Say whether somebody may give these rights away."""
    return all(covers(held, right) for right in wanted)
