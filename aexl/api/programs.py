"""How aexl starts itself: the same from its sources, from a wheel and frozen into one executable."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

WORKER: Final = "__worker__"
"""The hidden command with which the executable runs a Python script, or with ``-m`` a module."""

_LOADER: Final = ("_PYI_", "LD_LIBRARY_PATH")
"""Beginnings of the variables by which the executable's child finds what its parent has unpacked."""


def is_frozen() -> bool:
    """Return whether this is the executable, which has no Python beside it: ``sys.executable`` is aexl."""
    return bool(getattr(sys, "frozen", False))


def own_program() -> list[str]:
    """Return the words that start this aexl; its arguments come after them."""
    return [sys.executable] if is_frozen() else [sys.executable, "-P", "-m", "aexl"]


def own_module(module: str) -> list[str]:
    """Return the words that run one of our own modules as a program; its arguments come after them.

    The module sees what this process could import, except what only the working
    folder, ``PYTHONPATH`` or the user's own site folder made importable. The child's
    environment must have ``own_environment()`` in it.
    """
    return [sys.executable, WORKER, "-m", module] if is_frozen() else [sys.executable, "-I", "-m", module]


def unpack_all() -> None:
    """Make sure that a child which is this same aexl, and cannot write, finds every module that we could import.

    One executable leaves files packed until something imports what they belong to. Does nothing elsewhere, nor a second time.
    """
    for finder in sys.meta_path if is_frozen() else ():
        unpack = getattr(finder, "unpack_all", None)
        if unpack is not None:
            unpack()


def own_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that a child which is this same aexl needs; none where aexl is not frozen.

    ``Host.spawn`` adds them by itself. A child must not outlive this process.
    """
    if not is_frozen():
        return {}
    return {name: value for name, value in environ.items() if name.startswith(_LOADER)}
