"""The hooks. Nothing heavy is imported before it is used."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import Host, Mount
from aexl.hookspecs import Plugin, hookimpl


class WallboardPlugin(Plugin):
    """Serves ``/wallboard`` to tokens that may read."""

    @hookimpl
    def aexl_routes(self, host: Host) -> Sequence[Mount]:
        from aexl_wallboard.app import make_app

        return [Mount(path="/wallboard", app=make_app(host), auth="read")]
