"""Models for handlers, in the host: each question is a call of the agent that pays, under the invocation's id."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import trio

from aexl.api import Accounts, Body, Call, Host, Principal, format_usd, uuid7
from aexl.api.handlers import INVOCATION_LABEL
from aexl.errors import AexlError, CallError, Invalid, NotFound
from aexl_runtime.protocol.asked import told_error

PATH: Final = "/chat/completions"
_LIMITS: Final = ("max_completion_tokens", "max_tokens")
_FLOOR: Final = 1024
_TTL: Final = 3600.0
_REVOKING: Final = 10.0


class GovernedAsking:
    """Asks models for one invocation. The token is minted with the first question, and ends with ``close``.

    Args:
        agent: Who pays; ``None`` for the only agent there is.
        until: When the invocation must have ended, in seconds of Unix time.
        labels: What its executions carry beside the invocation's id.
    """

    def __init__(
        self, host: Host, invocation: str, agent: str | None, until: float, labels: Mapping[str, str] | None = None
    ) -> None:
        self._host = host
        self._labels = {**(labels or {}), INVOCATION_LABEL: invocation}
        self._agent = agent
        self._until = until
        self._principal: Principal | None = None
        self._minting = trio.Lock()
        self.spent = 0

    async def __call__(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask; what goes wrong is told."""
        try:
            principal = await self._ready()
            return await self._ask(principal, body)
        except CallError as error:
            return told_error(error.reason, error.status, error.code, error.execution)
        except NotFound as error:
            return told_error(str(error), 404, "unknown_agent")
        except Invalid as error:
            return told_error(str(error), 400, "invalid_request")
        except AexlError as error:
            return told_error(str(error), 503, "unavailable")

    @property
    def payer(self) -> str:
        """Who has paid, or would have; empty where nobody was named and nothing was asked."""
        return self._agent or "" if self._principal is None else self._principal.agent

    async def close(self) -> None:
        """End the token, if there is one."""
        accounts = self._host.service(Accounts)
        if self._principal is not None and accounts is not None:
            with trio.move_on_after(_REVOKING, shield=True):
                await accounts.revoke(self._principal.token_id)

    async def _ready(self) -> Principal:
        async with self._minting:
            if self._principal is None:
                accounts = self._host.service(Accounts)
                if accounts is None:
                    raise Invalid("no plugin keeps accounts, so nobody can pay for a model; enable 'ledger'")
                agent = self._agent or await _only(accounts)
                left = max(1.0, self._until - time.time()) + _TTL
                token = await accounts.mint(agent, "execute", self._labels, left)
                self._principal = await accounts.authenticate(token)
            return self._principal

    async def _ask(self, principal: Principal, body: Mapping[str, Any]) -> Mapping[str, Any]:
        call = _call_of(principal, {**body, "stream": False}, self._until)
        async with self._host.call(call) as answer:
            data = b"".join([chunk async for chunk in answer.chunks])
            answer.delivered()
            booked = answer.booked
        status, execution = answer.status, answer.execution
        try:
            read = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return told_error(f"the model's answer (HTTP {status}) is not JSON", 502, "bad_answer", execution)
        if status >= 400:
            error = read.get("error") if isinstance(read, dict) else None
            message = error.get("message") if isinstance(error, dict) else None
            return told_error(str(message or f"HTTP {status}"), status, "upstream_error", execution)
        if booked is not None:
            self.spent += booked.amount
        cost = None if booked is None else format_usd(booked.amount)
        return {"data": read, "execution": execution, "cost_usd": cost}


async def _only(accounts: Accounts) -> str:
    names = [agent.name for agent in await accounts.list() if agent.parent is None]
    if len(names) == 1:
        return names[0]
    raise Invalid(
        "nobody is named to pay for the models that this handler asks: name an agent with the invocation, "
        "or once and for all with 'aexl config set workers.agent NAME'"
    )


def _call_of(principal: Principal, body: Mapping[str, Any], until: float) -> Call:
    model = body.get("model")
    if not isinstance(model, str):
        raise Invalid("the name of a model is a text")
    data = msgspec.json.encode(body)
    now = trio.current_time()
    key = next((name for name in _LIMITS if isinstance(body.get(name), int)), _LIMITS[0])
    limit = body.get(key)
    choices = body.get("n")
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
        stream=False,
        output_limit=limit if type(limit) is int and limit > 0 else None,
        output_key=key,
        output_floor=_FLOOR,
        choices=choices if type(choices) is int and choices > 0 else 1,
        retry_count=0,
        provider_key=None,
        received=now,
        deadline=now + max(0.1, until - time.time()),
        fingerprint=hashlib.sha256(b"POST " + PATH.encode() + b" " + data).digest(),
    )
