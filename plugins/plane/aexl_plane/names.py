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

RESERVED_ENVIRONMENTS: Final = frozenset(
    {
        *("approve", "cancel", "environment", "executions", "invoke", "list", "logs", "promote", "reject", "replay"),
        *("rollback", "runtimes", "status", "to", "validate"),
    }
)
"""What no environment may be called: the words that mean something else in ``aexl deploy WORD``."""

SLUG: Final = "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
EMAIL: Final = r"^[!-;=?A-~\u00a1-\u1fff\u3001-\ud7ff]{1,128}@[A-Za-z0-9.-]{1,125}$"
LABEL: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]{1,200}$"
"""Of a name for people: one line, without what would hide or turn a part of it."""

_SLUG: Final = re.compile(SLUG.strip("^$"))
_EMAIL: Final = re.compile(EMAIL.strip("^$"))
_LABEL: Final = re.compile(LABEL.strip("^$"))


def new_id(kind: Kind) -> str:
    """Return a fresh id, whose underscore keeps it apart from every slug."""
    return f"{kind}_{secrets.token_hex(10)}"


def is_slug(text: str) -> bool:
    """Say whether a name can stand in a path."""
    return _SLUG.fullmatch(text) is not None


def check_slug(text: str, what: str) -> str:
    """Return a name that can stand in a path.

    Raises:
        Invalid: If it is none.
    """
    if not is_slug(text):
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
    if _LABEL.fullmatch(text) is None:
        raise Invalid(f"{text[:80]!r} cannot be {what}: use 1 to 200 printable characters")
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
