"""The table ``[keyguard]``."""

from __future__ import annotations

import msgspec


class KeyguardSection(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for, and whose calls are not looked at.

    Attributes:
        patterns: Further things to find: what to call each, and its regular expression.
        exempt: Globs of agents' names that may send keys.
    """

    patterns: dict[str, str] = {}
    exempt: tuple[str, ...] = ()
