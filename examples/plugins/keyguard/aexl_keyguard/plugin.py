"""The hooks. Nothing heavy is imported before it is used."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import Admission, ConfigSection, Host
from aexl.hookspecs import Plugin, hookimpl


class KeyguardPlugin(Plugin):
    """Adds the table ``[keyguard]`` and the gate that follows it."""

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_keyguard.settings import KeyguardSection

        return [ConfigSection(table="keyguard", model=KeyguardSection)]

    @hookimpl
    def aexl_admission(self, host: Host) -> Admission:  # noqa: ARG002 - the configuration comes with ``prepare``
        from aexl_keyguard.gate import KeyGate

        return KeyGate()
