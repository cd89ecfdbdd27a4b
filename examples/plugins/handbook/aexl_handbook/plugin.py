"""The hooks. Nothing heavy is imported before it is used."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import Host, ProviderType
from aexl.hookspecs import Plugin, hookimpl


class HandbookPlugin(Plugin):
    """Offers providers of ``type = "handbook"``."""

    @hookimpl
    def aexl_provider_types(self, host: Host) -> Sequence[ProviderType]:  # noqa: ARG002 - it needs nothing of the host
        from aexl_handbook.provider import HandbookType

        return [HandbookType()]
