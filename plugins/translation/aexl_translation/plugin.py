"""The hooks of this plugin."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import ConfigSection, Host, Provider
from aexl.hookspecs import Plugin, hookimpl


class TranslationPlugin(Plugin):
    """Makes every provider speak every dialect."""

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        """Declare ``[translation]``."""
        from aexl_translation.settings import TranslationSection

        return [ConfigSection(table="translation", model=TranslationSection)]

    @hookimpl
    def aexl_wrap_provider(self, host: Host, provider: Provider) -> Provider | None:
        """Put the translation around a provider; a recorder that is asked first sees what is really sent."""
        from aexl_translation.provider import TranslatingProvider

        return TranslatingProvider(provider, host)
