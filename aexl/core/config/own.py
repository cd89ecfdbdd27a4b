"""The host's own tables of ``aexl.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from aexl.api import ConfigSection
from aexl.core.calls.options import CallOptions
from aexl.core.http.limits import ServerLimits


class PluginsSection(msgspec.Struct, frozen=True, kw_only=True):
    """``[plugins]``.

    Attributes:
        off: Plugins that are not even imported; ``aexl plugin disable`` and ``enable`` write it.
        require: Plugins without which the host must not start: it exits 1 and says which is off, and why.
        prefer: Who wins where two offer one name, as in ``prefer.settlement = "my-ledger"`` or
            ``prefer.route."/v1" = "my-proxy"``; kinds as the message of the conflict names them.
    """

    off: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    prefer: Mapping[str, object] = {}


class ServeSection(msgspec.Struct, frozen=True, kw_only=True):
    """``[serve]``.

    Attributes:
        host: The address to listen on; anything but loopback is a decision.
        port: 0 lets the system choose.
        unix: Also listen on this Unix socket, for clients that can.
        hosts: Further values of the ``Host`` header that are this server.
        origins: Web origins whose pages may call this server; none by default.
        metrics: The scope that ``/metrics`` asks for.
        limits: The HTTP server's limits.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 9000
    unix: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    metrics: Literal["none", "read", "admin"] = "none"
    limits: ServerLimits = ServerLimits()


class ProviderSection(msgspec.Struct, frozen=True, kw_only=True):
    """``[providers.<name>]``: the rest belongs to the provider type."""

    type: str
    options: dict[str, object] = {}


OWN_SECTIONS: tuple[ConfigSection, ...] = (
    ConfigSection(table="plugins", model=PluginsSection, restart=True),
    ConfigSection(table="serve", model=ServeSection, restart=True),
    ConfigSection(table="calls", model=CallOptions),
    ConfigSection(table="providers", model=ProviderSection, keyed=True, open=True, variable="api_key_env"),
)
