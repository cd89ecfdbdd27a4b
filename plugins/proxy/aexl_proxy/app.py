"""The surfaces as one bare ASGI application for each prefix."""

from __future__ import annotations

import trio

from aexl.api import ASGIReceive, ASGIScope, ASGISend, Call, Host, Models, Principal
from aexl.errors import CallError
from aexl_proxy.answers import AnswerSender
from aexl_proxy.calls import CallReader
from aexl_proxy.dialects import Dialect, path_dialect
from aexl_proxy.exchange import send_error, send_json
from aexl_proxy.gemini_app import GeminiApp
from aexl_proxy.listing import (
    allowed_models,
    anthropic_list,
    anthropic_model,
    find_model,
    openai_list,
    openai_model,
)
from aexl_proxy.routes import ROUTES, no_websocket, unknown_path, wrong_method
from aexl_proxy.stored import METHODS, parse_stored
from aexl_proxy.verdicts import Verdicts


class ProxyApp:
    """Turns requests below one prefix into governed calls.

    Args:
        prefix: Where the host mounts it, as in ``/openai/v1``.
        verdicts: Shared by all prefixes.
    """

    def __init__(self, host: Host, prefix: str, verdicts: Verdicts) -> None:
        self._host = host
        self._prefix = prefix
        self._verdicts = verdicts
        self._reader = CallReader(host)
        self._gemini = GeminiApp(host, prefix, verdicts)

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Answer one request.

        Raises:
            ProviderFailed: If a stream failed after its head had been sent; the connection must be cut.
        """
        received = trio.current_time()
        path = scope["path"].removeprefix(self._prefix)
        route = ROUTES.get(path)
        if route is None and _is_gemini(path, scope):
            await self._gemini(scope, receive, send)
            return
        sender: AnswerSender | None = None
        try:
            if route is not None and scope["method"] == "POST":
                call = await self._reader.read(route, scope, receive, received)
            else:
                call = await self._read_other(path, scope, receive, send, received)
            if call is None:
                return
            verdict = self._verdicts.recall(call, received)
            if verdict is not None:
                raise verdict
            sender = AnswerSender(call, send, self._verdicts)
            async with self._host.call(call) as answer:
                await sender.deliver(answer)
        except CallError as error:
            if sender is not None and sender.started:
                raise
            guessed = self._dialect(scope) if sender is None else "openai"
            await send_error(send, error, guessed if route is None else route.dialect, path)

    async def _read_other(
        self, path: str, scope: ASGIScope, receive: ASGIReceive, send: ASGISend, received: float
    ) -> Call | None:
        """Answer what is no call, and return what is one."""
        method = scope["method"]
        if path in ROUTES:
            if path == "/responses" and method == "GET" and _wants_websocket(scope):
                raise no_websocket()
            raise wrong_method(method, scope["path"], ("POST",))
        if path == "/models" or path.startswith("/models/"):
            await self._answer_models(path, scope, send)
            return None
        stored = parse_stored(path[len("/responses/") :]) if path.startswith("/responses/") else None
        if stored is None or path == "/responses/compact":
            raise unknown_path(self._prefix, path)
        if method not in METHODS[stored.action]:
            raise wrong_method(method, scope["path"], METHODS[stored.action])
        return await self._reader.read_stored(stored, path, scope, receive, received)

    async def _answer_models(self, path: str, scope: ASGIScope, send: ASGISend) -> None:
        if scope["method"] != "GET":
            raise wrong_method(scope["method"], scope["path"], ("GET",))
        principal: Principal = scope["state"]["principal"]
        service = self._host.service(Models)
        known = await service.list() if service is not None else ()
        models = allowed_models(known, principal.limits)
        name = path[len("/models/") :]
        anthropic = self._dialect(scope) == "anthropic"
        if name:
            model = find_model(models, name)
            await send_json(send, anthropic_model(model) if anthropic else openai_model(model), anthropic)
        else:
            listed = anthropic_list(models, scope["query_string"]) if anthropic else openai_list(models)
            await send_json(send, listed, anthropic)

    def _dialect(self, scope: ASGIScope) -> Dialect:
        """Return the dialect of a caller whose path need not tell it."""
        if self._prefix == "/v1":
            for name, _ in scope["headers"]:
                if name in (b"anthropic-version", b"x-api-key"):
                    return "anthropic"
        return path_dialect(scope["path"])


def _is_gemini(path: str, scope: ASGIScope) -> bool:
    """Say whether a path that Gemini's API has too, ``/models`` and what is below, is asked for in its way."""
    if path != "/models" and not path.startswith("/models/"):
        return False
    return scope["method"] == "POST" or any(name == b"x-goog-api-key" for name, _ in scope["headers"])


def _wants_websocket(scope: ASGIScope) -> bool:
    return any(name == b"upgrade" and b"websocket" in value.lower() for name, value in scope["headers"])
