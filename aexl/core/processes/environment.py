"""The environment of programs that are not aexl itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from aexl.api.programs import is_frozen, own_environment

MARK: Final = "AEXL_TREE"
"""Names the trees a process belongs to, the outermost first, joined by colons."""

_LOADER: Final = ("_PYI_", "_MEIPASS")


def child_environment(program: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return what a child gets of ``env``: what aexl itself needs to start again, or what is clean for others."""
    return {**env, **own_environment()} if program == sys.executable else clean_environment(env)


def clean_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return ``env`` as a foreign program must see it.

    The frozen executable's bootloader puts its own folder first in
    ``LD_LIBRARY_PATH``, so that git, an agent or a system Python would load our
    libraries instead of theirs. What the variable was before comes back, and the
    bootloader's own variables go. Where aexl is not frozen, nothing changes.
    """
    clean = dict(env)
    if not is_frozen():
        return clean
    before = clean.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is None:
        clean.pop("LD_LIBRARY_PATH", None)
    else:
        clean["LD_LIBRARY_PATH"] = before
    return {name: value for name, value in clean.items() if not name.startswith(_LOADER)}
