"""``[pipelines]`` in ``aexl.toml``."""

from __future__ import annotations

from typing import Final

import msgspec

TABLE: Final = "pipelines"


class PipelineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How pipelines run on this machine.

    Attributes:
        agent: Who pays for runs that do not say it with ``--agent``; if empty, the only agent there is.
        folders: Where runs that are started over HTTP may work, and in what is below; nowhere if empty.
    """

    agent: str = ""
    folders: tuple[str, ...] = ()
