"""From a request to the ``Call`` that the host is asked to run."""

from __future__ import annotations

from typing import Final

import trio

from aexl.api import ASGIReceive, ASGIScope, Body, Call, Config, Host, Principal, uuid7
from aexl.api.form import Form, is_form
from aexl.errors import Invalid
from aexl_proxy.exchange import read_body
from aexl_proxy.fields import read_text, refusal
from aexl_proxy.heads import check_json, check_uncompressed, read_head
from aexl_proxy.routes import Route, fingerprint
from aexl_proxy.settings import ProxyConfig
from aexl_proxy.stored import StoredPath, find_owned
from aexl_proxy.surfaces import LEAST_OUTPUT

_LARGE: Final = 1024 * 1024
"""A body of more bytes is hashed in a thread."""


class CallReader:
    """Reads requests. Both methods return ``None`` where the client left before its body ended.

    Raises:
        Refused: If the request is not acceptable; nothing has been asked of the host.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._config: Config | None = None
        self._timeout = 0.0

    async def read(self, route: Route, scope: ASGIScope, receive: ASGIReceive, received: float) -> Call | None:
        """Read a request that makes a call of its own; ``received`` is on trio's clock."""
        principal = executing(scope)
        head = read_head(scope["headers"])
        form = head.content_type if route.forms and is_form(head.content_type) else None
        if form is None:
            check_json(head)
        else:
            check_uncompressed(head)
        data = await read_body(receive)
        if data is None:
            return None
        body = parse_body(data) if form is None else parse_form(data, form)
        wish = route.read(body)
        if route.refers and "previous_response_id" in body:
            await self._check_previous(body, principal)
        if len(data) > _LARGE:
            digest = await trio.to_thread.run_sync(route.fingerprint, data)
        else:
            digest = route.fingerprint(data)
        return Call(
            head.key or uuid7(),
            head.key is not None,
            principal,
            route.surface,
            "POST",
            route.path,
            scope["query_string"].decode("latin-1"),
            head.headers,
            body,
            wish.model,
            stream=wish.stream,
            output_limit=wish.output_limit,
            output_key=wish.output_key,
            output_floor=wish.output_floor,
            choices=wish.choices,
            retry_count=head.retry_count,
            provider_key=head.provider_key,
            received=received,
            deadline=received + self._seconds(),
            fingerprint=digest,
        )

    async def read_stored(
        self, stored: StoredPath, path: str, scope: ASGIScope, receive: ASGIReceive, received: float
    ) -> Call | None:
        """Read a request about a stored response; it is planned with the model that made it."""
        method = scope["method"]
        principal: Principal = scope["state"]["principal"] if method == "GET" else executing(scope)
        head = read_head(scope["headers"])
        data = await read_body(receive) if method == "POST" else b""
        if data is None:
            return None
        if data:
            check_json(head)
        query = scope["query_string"].decode("latin-1")
        body = parse_body(data) if data else Body(b"")
        made_by = await find_owned(self._host, principal.agent, stored.id)
        return Call(
            id=head.key or uuid7(),
            keyed=head.key is not None,
            principal=principal,
            surface="stored",
            method=method,
            path=path,
            query=query,
            headers=head.headers,
            body=body,
            model=made_by.model,
            stream="stream=true" in query.split("&"),
            output_limit=None,
            output_key="max_output_tokens",
            output_floor=LEAST_OUTPUT,
            choices=1,
            retry_count=head.retry_count,
            provider_key=head.provider_key,
            received=received,
            deadline=received + self._seconds(),
            fingerprint=fingerprint(method, path, data),
        )

    async def _check_previous(self, body: Body, principal: Principal) -> None:
        previous = read_text(body, "previous_response_id")
        if previous is not None:
            await find_owned(self._host, principal.agent, previous, param="previous_response_id")

    def _seconds(self) -> float:
        """Return how long a call may take, by the configuration in force."""
        config = self._host.current
        if config is not self._config:
            self._timeout = config.section(ProxyConfig).timeout
            self._config = config
        return self._timeout


def executing(scope: ASGIScope) -> Principal:
    """Return who asks, if the token may do more than look.

    Raises:
        Refused: 403 if it may only read.
    """
    principal: Principal = scope["state"]["principal"]
    if principal.scope == "read":
        raise refusal(
            "this token may only read; use a token of scope execute",
            code="read_only_token",
            status=403,
        )
    return principal


def parse_form(data: bytes, content_type: bytes) -> Form:
    """Read a body that must be one plain form.

    Raises:
        Refused: 400 if it is not.
    """
    try:
        return Form(data, content_type)
    except Invalid as error:
        raise refusal(str(error), code="invalid_form") from error


def parse_body(data: bytes) -> Body:
    """Read a body that must be one strict JSON object.

    Raises:
        Refused: 400 if it is not.
    """
    if not data:
        raise refusal("the body is empty; it must be a JSON object", code="invalid_json")
    try:
        return Body(data)
    except Invalid as error:
        raise refusal(str(error), code="invalid_json") from error
