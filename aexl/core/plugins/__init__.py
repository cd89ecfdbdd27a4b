"""Plugins: which there are, loading them, and installing them below ``$AEXL_HOME/plugins``.

What a start needs is here; installing is in modules that only ``aexl plugin`` imports.
"""

from aexl.core.plugins.loading import (
    BUILT_IN,
    SWITCHED_OFF,
    PluginRecord,
    Plugins,
    Source,
    check_requirement,
)
from aexl.core.plugins.sources import find_sources, installed_sources

__all__ = [
    "BUILT_IN",
    "SWITCHED_OFF",
    "PluginRecord",
    "Plugins",
    "Source",
    "check_requirement",
    "find_sources",
    "installed_sources",
]
