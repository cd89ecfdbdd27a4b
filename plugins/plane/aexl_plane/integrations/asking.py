"""Models for integrations: each call is one of the agent that the server's owner has named to pay."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import trio

from aexl.api import Accounts, ActionCall, ActionResult, Body, Call, Host, Principal, Surface, uuid7
from aexl.errors import Refused, Unavailable

_FLOOR: Final = 1024
_TTL: Final = 86_400.0
_CLOSING: Final = 5.0


class Door(NamedTuple):
    """One of the provider's endpoints: its surface, its path, and what it calls an output limit."""

    surface: Surface
    path: str
    limits: tuple[str, ...]


class Payer:
    """An agent on whose account models are asked; its token is minted with the first question."""

    def __init__(self, host: Host, agent: str, integration: str) -> None:
        self._host = host
        self._agent = agent
        self._integration = integration
        self._token = ""
        self._minting = trio.Lock()

    async def ready(self) -> Principal:
        """Return who pays, as they stand now.

        Raises:
            Unavailable: If no plugin keeps accounts.
            NotFound: If there is no such agent.
        """
        accounts = self._host.service(Accounts)
        if accounts is None:
            raise Unavailable("nobody keeps accounts on this server, so nobody can pay for a model")
        async with self._minting:
            if self._token:
                try:
                    return await accounts.authenticate(self._token)
                except Refused:  # it has expired, or was revoked with all others of the agent
                    self._token = ""
            self._token = await accounts.mint(self._agent, "execute", {"integration": self._integration}, _TTL)
            return await accounts.authenticate(self._token)

    async def close(self) -> None:
        """End the token, if there is one."""
        accounts = self._host.service(Accounts)
        token, self._token = self._token, ""
        if token and accounts is not None:
            with trio.move_on_after(_CLOSING, shield=True):
                principal = await accounts.authenticate(token)
                await accounts.revoke(principal.token_id)

    async def ask(self, action: ActionCall, door: Door, body: Mapping[str, Any]) -> ActionResult:
        """Ask a model, and return its answer as it came.

        Raises:
            CallError: If the call is refused or fails; carries the execution.
        """
        principal = await self.ready()
        labels = {**principal.labels, "connection": action.connection, "call": action.id}
        call = _call_of(msgspec.structs.replace(principal, labels=labels), door, body, action.deadline)
        async with self._host.call(call) as answer:
            data = b"".join([chunk async for chunk in answer.chunks])
            answer.delivered()
            booked = answer.booked
        try:
            read = msgspec.json.decode(data)
        except msgspec.DecodeError:
            raise _failed(f"the model's answer (HTTP {answer.status}) is not JSON", 502, answer.execution) from None
        if answer.status >= 400:
            error = read.get("error") if isinstance(read, dict) else None
            message = error.get("message") if isinstance(error, dict) else None
            raise _failed(str(message or f"HTTP {answer.status}")[:1000], answer.status, answer.execution)
        cost = None if booked is None else booked.amount
        return ActionResult(value=read, execution=answer.execution, cost=cost)


def _failed(message: str, status: int, execution: str) -> Refused:
    refused = Refused(message, code="upstream_error", status=status)
    refused.execution = execution
    return refused


def _call_of(principal: Principal, door: Door, body: Mapping[str, Any], deadline: float) -> Call:
    data = msgspec.json.encode(body)
    key = next((name for name in door.limits if isinstance(body.get(name), int)), door.limits[0])
    limit, choices = body.get(key), body.get("n")
    return Call(
        id=uuid7(),
        keyed=False,
        principal=principal,
        surface=door.surface,
        method="POST",
        path=door.path,
        query="",
        headers=((b"content-type", b"application/json"),),
        body=Body(data),
        model=str(body["model"]),
        stream=False,
        output_limit=limit if type(limit) is int and limit > 0 else None,
        output_key=key,
        output_floor=_FLOOR,
        choices=choices if type(choices) is int and choices > 0 else 1,
        retry_count=0,
        provider_key=None,
        received=trio.current_time(),
        deadline=deadline,
        fingerprint=hashlib.sha256(b"POST " + door.path.encode() + b" " + data).digest(),
    )
