"""The hooks of this plugin."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import Host, ProviderType
from aexl.hookspecs import Plugin, hookimpl


class ProvidersPlugin(Plugin):
    """Offers the provider types ``openai``, ``anthropic`` and ``gemini``."""

    @hookimpl
    def aexl_provider_types(self, host: Host) -> Sequence[ProviderType]:
        """Return the types; they share nothing but the host."""
        from aexl_providers.provider import HttpProviderType

        return [HttpProviderType("openai", host), HttpProviderType("anthropic", host), HttpProviderType("gemini", host)]
