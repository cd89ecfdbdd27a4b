"""Records with sensible values, so that a test names only what it is about."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from aexl.api import (
    Attempt,
    Body,
    Call,
    Charge,
    Ending,
    Limits,
    Outcome,
    Plan,
    Price,
    Principal,
    Rates,
    Target,
    Usage,
    uuid7,
)
from aexl.api.money import round_up

CHEAP = Price(version="test:1", rates=Rates(input=1_000_000, output=2_000_000, reasoning=2_000_000))
"""1 USD per million input tokens, 2 USD per million output tokens."""


def make_principal(agent: str = "alice", *, limits: Limits | None = None, **changes: Any) -> Principal:
    """Return a ready agent with an ``execute`` token."""
    values: dict[str, Any] = {"token_id": "t1", "scope": "execute", "limits": limits or Limits(), **changes}
    return Principal(agent=agent, **values)


def make_call(body: dict[str, object] | bytes | None = None, **changes: Any) -> Call:
    """Return a chat call of agent ``alice``; ``body`` is encoded if it is not bytes."""
    given = {"model": "test-model", "messages": [{"role": "user", "content": "Hi"}]} if body is None else body
    data = given if isinstance(given, bytes) else msgspec.json.encode(given)
    values: dict[str, Any] = {
        "id": uuid7(),
        "keyed": False,
        "principal": make_principal(),
        "surface": "chat",
        "method": "POST",
        "path": "/chat/completions",
        "query": "",
        "headers": ((b"content-type", b"application/json"),),
        "body": Body(data),
        "model": "test-model",
        "stream": False,
        "output_limit": None,
        "output_key": "max_completion_tokens",
        "output_floor": 1024,
        "choices": 1,
        "retry_count": 0,
        "provider_key": None,
        "received": 0.0,
        "deadline": float("inf"),
        "fingerprint": hashlib.sha256(b"POST /chat/completions " + data).digest(),
        **changes,
    }
    return Call(**values)


def make_target(**changes: Any) -> Target:
    """Return a target at provider ``fake`` with the price ``CHEAP``."""
    values: dict[str, Any] = {"provider": "fake", "model": "test-model", "price": CHEAP, **changes}
    return Target(**values)


def make_plan(*, input_bound: int = 100, output_bound: int = 1000, targets: tuple[Target, ...] | None = None) -> Plan:
    """Return a plan for one target, its hold computed from the first target's price."""
    targets = targets or (make_target(),)
    rates = targets[0].price.rates
    fixed = round_up(input_bound * rates.dearest_input)
    return Plan(
        targets=targets,
        input_bound=input_bound,
        output_bound=output_bound,
        output_floor=min(1024, output_bound),
        fixed=fixed,
        output_price=rates.dearest_output,
        hold=fixed + round_up(output_bound * rates.dearest_output),
    )


def make_attempt(**changes: Any) -> Attempt:
    """Return a first attempt whose connection was lost, and which cost nothing."""
    values: dict[str, Any] = {
        "number": 1,
        "target": make_target(),
        "ending": Ending.LOST,
        "code": "upstream_reset",
        "status": None,
        "seconds": 0.5,
        "extra": 0,
        **changes,
    }
    return Attempt(**values)


def make_outcome(usage: Usage | None = None, **changes: Any) -> Outcome:
    """Return a completed call that used 10 input and 20 output tokens, priced at ``CHEAP``."""
    used = usage or Usage(input_tokens=10, output_tokens=20)
    values: dict[str, Any] = {
        "ending": Ending.COMPLETED,
        "charge": Charge(state="committed", amount=CHEAP.cost(used), estimated=False, reason="usage"),
        "usage": used,
        "target": make_target(),
        "status": 200,
        "seconds": 0.5,
        **changes,
    }
    return Outcome(**values)
