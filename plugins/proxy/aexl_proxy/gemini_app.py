"""Gemini's surface as a bare ASGI application for each prefix."""

from __future__ import annotations

import trio

from aexl.api import ASGIReceive, ASGIScope, ASGISend, Call, Host, Models, Principal
from aexl.errors import CallError
from aexl_proxy.answers import AnswerSender
from aexl_proxy.calls import CallReader
from aexl_proxy.exchange import send_error, send_json
from aexl_proxy.gemini import below_version, clean_query, find_route, unknown_gemini
from aexl_proxy.listing import allowed_models, find_model, gemini_list, gemini_model
from aexl_proxy.routes import wrong_method
from aexl_proxy.verdicts import Verdicts


class GeminiApp:
    """Turns requests to Gemini's paths into governed calls.

    Args:
        prefix: Where the host mounts it, as in ``/v1beta``; empty for paths that begin with ``/models``.
        verdicts: Shared by all prefixes.
    """

    def __init__(self, host: Host, prefix: str, verdicts: Verdicts) -> None:
        self._host = host
        self._prefix = prefix
        self._verdicts = verdicts
        self._reader = CallReader(host)

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Answer one request.

        Raises:
            ProviderFailed: If a stream failed after its head had been sent; the connection must be cut.
        """
        received = trio.current_time()
        path = below_version(scope["path"].removeprefix(self._prefix))
        sender: AnswerSender | None = None
        try:
            call = await self._read(path, scope, receive, send, received)
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
            await send_error(send, error, "gemini", path)

    async def _read(
        self, path: str, scope: ASGIScope, receive: ASGIReceive, send: ASGISend, received: float
    ) -> Call | None:
        method = scope["method"]
        query = clean_query(scope["query_string"].decode("latin-1"))
        route = find_route(path, query)
        if route is not None:
            if method != "POST":
                raise wrong_method(method, scope["path"], ("POST",))
            return await self._reader.read(route, {**scope, "query_string": query.encode("latin-1")}, receive, received)
        if path != "/models" and (not path.startswith("/models/") or method != "GET"):
            raise unknown_gemini(scope["path"])
        if method != "GET":
            raise wrong_method(method, scope["path"], ("GET",))
        await self._answer_models(path[len("/models/") :], query, scope, send)
        return None

    async def _answer_models(self, name: str, query: str, scope: ASGIScope, send: ASGISend) -> None:
        principal: Principal = scope["state"]["principal"]
        service = self._host.service(Models)
        known = await service.list() if service is not None else ()
        models = [model for model in allowed_models(known, principal.limits) if "gemini" in model.surfaces]
        value = gemini_model(find_model(models, name)) if name else gemini_list(models, query.encode("latin-1"))
        await send_json(send, value, False)
