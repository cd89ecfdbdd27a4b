"""How a chat request leaves: as a call of the host where this process has one, else over HTTP to whom ``Access`` names."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

import msgspec
import trio

from aexl.api import Accounts, Answer, Body, Call, Executions, Host, Principal, Upstream, uuid7
from aexl.api.governed import Access
from aexl.errors import NotFound, ProviderFailed, Unavailable

PATH: Final = "/chat/completions"

_OURS: Final = "aexl_"
"""How tokens begin that a ledger of ours has made."""

_SECONDS: Final = 3600.0
_FLOOR: Final = 1024


class Reply(NamedTuple):
    """An answer whose head has come.

    ``chunks`` is its body; whoever reads it closes it. ``cost`` holds nano-dollars once the body has been read to its end, where somebody booked it.
    """

    status: int
    chunks: AsyncGenerator[bytes, None]
    cost: list[int]


async def send(
    host: Host, access: Access, data: bytes, model: str, output_limit: int | None, *, connect: float | None = None
) -> AbstractAsyncContextManager[Reply]:
    """Return the way for a request; entering it sends it.

    Args:
        connect: Seconds; the longest wait for a connection, where one is made.

    Raises:
        Refused: If the token is no good.
    """
    accounts = host.service(Accounts) if access.token.startswith(_OURS) else None
    over_http = partial(_over_http, host, access, data, connect)
    if accounts is None:
        return over_http()
    principal = await accounts.authenticate(access.token)
    try:
        answering = host.call(_call(principal, data, model, output_limit))
    except Unavailable:  # beside a server, calls are the server's
        return over_http()
    return _within(answering)


@asynccontextmanager
async def _within(answering: AbstractAsyncContextManager[Answer]) -> AsyncIterator[Reply]:
    async with answering as answer:
        cost: list[int] = []

        async def chunks() -> AsyncGenerator[bytes, None]:
            async for chunk in answer.chunks:
                yield chunk
            answer.delivered()
            if answer.booked is not None:
                cost.append(answer.booked.amount)

        yield Reply(answer.status, chunks(), cost)


@asynccontextmanager
async def _over_http(host: Host, access: Access, data: bytes, connect: float | None) -> AsyncIterator[Reply]:
    import httpx

    ours = access.token.startswith(_OURS)
    upstream = Upstream(private=True, trust_env=not ours)
    if connect is not None:
        upstream = msgspec.structs.replace(upstream, connect=connect)
    transport = host.transport(upstream)
    headers = {
        "authorization": f"Bearer {access.token}",
        "content-type": "application/json",
        "connection": "close",  # nothing of it stays open behind this run
    }
    request = httpx.Request("POST", access.v1 + PATH, headers=headers, content=data)
    try:
        response = await transport.handle_async_request(request)
    except httpx.TransportError as error:
        raise _unreachable(access, error) from error
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    cost: list[int] = []

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in stream:
                yield chunk
        except httpx.TransportError as error:
            raise _unreachable(access, error) from error
        cost.extend(await _booked(host, response.headers.get("x-aexl-execution-id")))

    try:
        yield Reply(response.status_code, chunks(), cost)
    finally:
        with trio.move_on_after(5, shield=True):
            await stream.aclose()


async def _booked(host: Host, execution: str | None) -> list[int]:
    """Return what the ledger has booked, where it can be asked."""
    executions = host.service(Executions)
    if execution is None or executions is None:
        return []
    try:
        found = await executions.get(execution, None)
    except NotFound:
        return []
    return [] if found.cost is None else [found.cost]


def _unreachable(access: Access, error: Exception) -> ProviderFailed:
    reason = f"{access.url} could not be reached: {error}"
    return ProviderFailed(reason, code="upstream_unreachable", status=502, charged="unknown")


def _call(principal: Principal, data: bytes, model: str, output_limit: int | None) -> Call:
    now = trio.current_time()
    return Call(
        id=uuid7(),
        keyed=False,
        principal=principal,
        surface="chat",
        method="POST",
        path=PATH,
        query="",
        headers=((b"content-type", b"application/json"),),
        body=Body(data),
        model=model,
        stream=True,
        output_limit=output_limit,
        output_key="max_completion_tokens",
        output_floor=_FLOOR,
        choices=1,
        retry_count=0,
        provider_key=None,
        received=now,
        deadline=now + _SECONDS,
        fingerprint=hashlib.sha256(b"POST " + PATH.encode() + b" " + data).digest(),
    )
