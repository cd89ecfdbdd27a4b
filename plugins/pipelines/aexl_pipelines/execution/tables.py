"""What the configuration says of runners."""

from __future__ import annotations

import msgspec


class RunnerTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[runners.<name>]`` in ``aexl.toml``.

    Attributes:
        type: The runner that this is; by default the one of this name. So one runner can be there several times.
        options: Every other key: the options of that runner.
    """

    type: str = ""
    options: dict[str, object] = {}
