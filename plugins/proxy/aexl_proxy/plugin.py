"""The hooks of the proxy."""

from __future__ import annotations

from collections.abc import Sequence

from aexl.api import ConfigSection, Headers, Host, Mount
from aexl.errors import Refused
from aexl.hookspecs import Plugin, hookimpl


class ProxyPlugin(Plugin):
    """The OpenAI, Anthropic and Gemini surfaces: what agents talk to."""

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        """Declare ``[proxy]``."""
        from aexl_proxy.settings import ProxyConfig

        return [ConfigSection(table="proxy", model=ProxyConfig)]

    @hookimpl
    def aexl_routes(self, host: Host) -> Sequence[Mount]:
        """Serve the surfaces under each prefix, and the greeting.

        ``auth`` is the least that any path below needs; the applications ask
        for ``execute`` themselves where a call costs or changes something.
        """
        from aexl_proxy.app import ProxyApp
        from aexl_proxy.gemini_app import GeminiApp
        from aexl_proxy.greeting import GREETING_PATHS, Greeting
        from aexl_proxy.routes import GEMINI_PREFIXES, PREFIXES
        from aexl_proxy.verdicts import Verdicts

        verdicts = Verdicts()
        greeting = Greeting(host)
        return [
            *(
                Mount(path=prefix, app=ProxyApp(host, prefix, verdicts), auth="read", refuse=refuse, query_key="key")
                for prefix in PREFIXES
            ),
            *(
                Mount(path=prefix, app=GeminiApp(host, prefix, verdicts), auth="read", refuse=refuse, query_key="key")
                for prefix in GEMINI_PREFIXES
            ),
            Mount(path="/models", app=GeminiApp(host, "", verdicts), auth="read", refuse=refuse, query_key="key"),
            *(Mount(path=path, app=greeting, auth="none", refuse=refuse) for path in GREETING_PATHS),
        ]


def refuse(refused: Refused, path: str, method: str) -> tuple[int, Headers, bytes]:  # noqa: ARG001 - the contract's
    """Write a refusal of the host in the dialect of the path."""
    from aexl.api import uuid7
    from aexl_proxy.dialects import error_answer, path_dialect

    return error_answer(refused, path_dialect(path), path, uuid7())
