"""What the built-in interpreter offers to handlers. Blocks."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from aexl.api import BUILTIN, RuntimeOffer
from aexl.sdk import SDK_VERSION

SHIM = "aiel-sdk"
"""The distribution whose package ``aiel_compat`` answers for."""


def builtin_offer(plugins: Path, *, compat: bool) -> RuntimeOffer:
    """Return what this process's own interpreter offers.

    Args:
        plugins: The folder of installed plugins, which are the server's, not the handlers'.
        compat: ``aiel_compat`` is on for all projects.
    """
    found = _distributions(plugins)
    return RuntimeOffer(
        name=BUILTIN,
        python=platform.python_version(),
        sdk=SDK_VERSION,
        runtime=SDK_VERSION,
        distributions={SHIM: SDK_VERSION, **found} if compat else found,
    )


@cache
def _distributions(plugins: Path) -> Mapping[str, str]:
    """Return what is installed, as it was when it was asked for first: it takes about a tenth of a second."""
    path = [entry for entry in sys.path if not Path(entry or ".").absolute().is_relative_to(plugins.absolute())]
    found: dict[str, str] = {}
    for each in importlib.metadata.distributions(path=path):
        metadata = each.metadata  # parsed each time it is asked for
        if "Name" in metadata and "Version" in metadata:
            found.setdefault(re.sub(r"[-_.]+", "-", metadata["Name"]).lower(), metadata["Version"])
    return found
