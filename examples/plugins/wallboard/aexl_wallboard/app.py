"""The ASGI application: a page for people, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from aexl.api import Accounts, Agent, Host, Principal
from aexl_wallboard.page import write_page, write_rows


def make_app(host: Host) -> Starlette:
    """Return the application; who keeps accounts is asked of the host with each request."""

    async def page(request: Request) -> Response:
        return HTMLResponse(write_page(await _visible(host, request)), headers={"refresh": "10"})

    async def numbers(request: Request) -> Response:
        return JSONResponse(write_rows(await _visible(host, request)))

    return Starlette(routes=[Route("/wallboard", page), Route("/wallboard/agents.json", numbers)])


async def _visible(host: Host, request: Request) -> Sequence[Agent]:
    """Return the agents that a token may see: its own, or all with an admin's."""
    accounts = host.service(Accounts)
    if accounts is None:
        return ()
    principal: Principal = request.state.principal
    return await accounts.list() if principal.scope == "admin" else [await accounts.get(principal.agent)]
