"""What stands against a snapshot. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Rule = Literal["contract", "policy", "python", "requirement", "runtime", "sdk", "settings"]


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a snapshot may not be deployed.

    Attributes:
        rule: What it does not keep: ``contract``, ``policy``, ``python``, ``requirement``, ``runtime``, ``sdk`` or
            ``settings``.
        message: A sentence for its author.
    """

    rule: Rule
    message: str
