"""Colour where a person looks, plain text everywhere else."""

from __future__ import annotations

import os
import sys
from typing import Final, Literal

Colour = Literal["red", "green", "yellow", "cyan", "bold", "dim"]

_CODES: Final = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


def paint(text: str, colour: Colour) -> str:
    """Return a text in a colour, if standard output is a terminal and ``NO_COLOR`` is not set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
