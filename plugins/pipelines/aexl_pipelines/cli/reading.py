"""What commands are told on standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable

from aexl.errors import Invalid


def is_person() -> bool:
    """Say whether somebody can be asked there; it may be closed."""
    return bool(sys.stdin) and sys.stdin.isatty()


def read_input(what: str, most: int = -1) -> str:
    """Return what is there up to the end, but at most so many characters; nothing where it is closed.

    Args:
        what: What it is, for a message.

    Raises:
        Invalid: If it is not UTF-8.
    """
    return read_text(lambda: sys.stdin.read(most), what) if sys.stdin else ""


def read_text(read: Callable[[], str], what: str) -> str:
    """Return what ``read`` has read from standard input.

    Args:
        what: What it is, for a message.

    Raises:
        Invalid: If it is not UTF-8.
    """
    try:
        text = read()
        text.encode()
    except UnicodeError as error:
        raise Invalid(f"{what} is not UTF-8") from error
    return text
