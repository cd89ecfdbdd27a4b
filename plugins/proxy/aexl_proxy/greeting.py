"""``/`` and ``/api/hello``: what agent CLIs knock at before they send anything."""

from __future__ import annotations

from aexl.api import ASGIReceive, ASGIScope, ASGISend, Host
from aexl_proxy.exchange import send_answer, send_error
from aexl_proxy.fields import refusal
from aexl_proxy.routes import wrong_method

GREETING_PATHS = ("/", "/api/hello")


class Greeting:
    """Says that aexl is here; what else is asked for at the root does not exist."""

    def __init__(self, host: Host) -> None:
        self._body = f"aexl {host.version}\n".encode()

    async def __call__(self, scope: ASGIScope, _: ASGIReceive, send: ASGISend) -> None:
        """Answer GET and HEAD."""
        path, method = scope["path"], scope["method"]
        if path not in GREETING_PATHS:
            unknown = refusal(f"there is nothing at {path[:100]!a}; the API is at /v1", code="unknown_path", status=404)
            await send_error(send, unknown, "openai", path)
        elif method not in ("GET", "HEAD"):
            await send_error(send, wrong_method(method, path, ("GET", "HEAD")), "openai", path)
        else:
            headers = ((b"content-type", b"text/plain; charset=utf-8"),)
            # The server leaves the body of a HEAD out and keeps its length.
            await send_answer(send, 200, headers, self._body)
