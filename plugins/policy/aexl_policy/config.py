"""The table ``[policy]`` of ``aexl.toml``."""

from __future__ import annotations

from typing import Annotated

import msgspec


class PolicyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the operator's own policies are, and what they may take.

    Attributes:
        files: Globs of policy files, relative to ``AEXL_HOME``; each pattern's files are asked in order of name.
        timeout: Seconds that all policies together may take for one call.
        memory: MiB of address space for the process they run in.
    """

    files: tuple[str, ...] = ("policies/*.py",)
    timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0
    memory: Annotated[int, msgspec.Meta(ge=64)] = 512
