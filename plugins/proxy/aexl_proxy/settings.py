"""The plugin's own table, ``[proxy]``."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ProxyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How calls through the proxy are run.

    Attributes:
        timeout: Seconds from a request's head to the end of its answer; then the call is ended and settled.
            At most a day.
    """

    timeout: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 3600.0
