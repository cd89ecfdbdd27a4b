"""The two operations of every call: reserve and settle. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from aexl.api.ids import uuid7
from aexl.api.money import MAX_AMOUNT
from aexl.api.records import Booked, Call, Hold, Outcome, Plan, Receipt
from aexl.errors import Refused
from aexl_ledger.budgets import fit, left, roll
from aexl_ledger.lifecycle import not_ready
from aexl_ledger.operations import ClaimKey, Draft, Operation, check_amount
from aexl_ledger.outcomes import describe, shorten, succeeded
from aexl_ledger.state import Claim, State


class InFlight(NamedTuple):
    """Answer of ``Reserve``: an equal call is running as this execution."""

    execution: str


class Stored(NamedTuple):
    """Answer of ``Reserve``: an equal call was a success; the driver reads what is kept of it."""

    execution: str


class BookedBefore(NamedTuple):
    """Answer of ``Settle``: there is a booking already, or no such execution; the driver looks."""

    execution: str


class KeptAnswer(NamedTuple):
    """An answer, encoded, to be stored beside the settlement; ``expires`` is Unix microseconds."""

    execution: str
    expires: int
    data: bytes


def hash_key(key: str) -> bytes:
    """Return what is kept of a caller's idempotency key, which may be anything."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Reserve(Operation["Hold | InFlight | Stored"]):
    """Claim an execution and set money aside along the chain of agents.

    The one event stands for RESERVING, RESERVED and DISPATCHED: they become
    durable in one transaction, and the call is sent right after it.

    Args:
        retention: Microseconds that a claim lasts.
    """

    __slots__ = ("_bound", "_found", "_hold", "_key", "call", "execution", "plan", "quick", "retention")

    def __init__(self, call: Call, plan: Plan, retention: int) -> None:
        self.call = call
        self.plan = plan
        self.retention = retention
        self.execution = uuid7()
        self._key = hash_key(call.id) if call.keyed else None
        self.quick = not call.keyed
        self._found: InFlight | Stored | None = None
        self._hold = self._bound = 0

    def claim(self) -> ClaimKey | None:
        return None if self._key is None else ClaimKey(self.call.principal.agent, self._key)

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        call, plan = self.call, self.plan
        principal = call.principal
        agent = state.agents.get(principal.agent)
        if agent is None:
            raise Refused(
                f"there is no agent {principal.agent!r}: its token should not exist", code="agent_not_ready", status=423
            )
        refused = not_ready(agent)
        if refused is not None:
            raise refused
        if self._key is not None:
            self._found = self._claimed(state, now)
            if self._found is not None:
                return ()
        if type(plan.hold) is not int or not 0 <= plan.hold <= MAX_AMOUNT:
            raise Refused(
                f"this call could cost {plan.hold!r} nano-dollars, which is not an amount that can be held: "
                "ask for fewer tokens",
                code="amount_out_of_range",
                status=400,
            )
        self._hold, self._bound = fit(agent, plan, principal.limits.clamp, now)
        target = plan.targets[0]
        data: dict[str, Any] = {
            "agent": agent.name,
            "token": principal.token_id,
            "surface": call.surface,
            "model": shorten(call.model),
            "provider": target.provider,
            "price_version": target.price.version,
            "hold": self._hold,
            "output_bound": self._bound,
        }
        if principal.labels:
            data["labels"] = dict(principal.labels)
        draft: Draft = ("execution.reserved", self.execution, data)
        rolled = roll(agent, now)
        return [*rolled, draft] if rolled else (draft,)

    def _claimed(self, state: State, now: int) -> InFlight | Stored | None:
        assert self._key is not None
        call = self.call
        claim = state.claims.get((call.principal.agent, self._key))
        if claim is None or claim.dropped or (claim.done and claim.expires <= now):
            return None
        if claim.fingerprint != call.fingerprint:
            raise Refused(
                "this Idempotency-Key was used for another request: a new request needs a new key",
                code="idempotency_mismatch",
                status=422,
            )
        return Stored(claim.execution) if claim.done else InFlight(claim.execution)

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Hold | InFlight | Stored:
        if self._found is not None:
            return self._found
        if self._key is not None:
            agent = self.call.principal.agent
            claim = Claim(agent, self._key, self.execution, self.call.fingerprint, now + self.retention)
            state.claims[agent, self._key] = state.touched_claims[agent, self._key] = claim
        return Hold(execution=self.execution, amount=self._hold, output_bound=self._bound, receipt=receipts[-1])


class Settle(Operation["Booked | BookedBefore"]):
    """End an execution with what it cost.

    Args:
        claim: The key of a keyed call: kept after a success, freed after a failure.
        answer: What a replay sends, encoded; ``None`` where nothing is kept.
        retention: Microseconds that claim and answer last from now.
    """

    __slots__ = (
        "_known",
        "_place",
        "_remaining",
        "answer",
        "execution",
        "key",
        "outcome",
        "overrun",
        "quick",
        "retention",
    )
    urgent = True

    def __init__(
        self, execution: str, outcome: Outcome, key: ClaimKey | None, answer: bytes | None, retention: int
    ) -> None:
        self.execution = execution
        self.outcome = outcome
        self.key = key
        self.answer = answer
        self.retention = retention
        self.quick = key is None and answer is None
        self.overrun = False
        self._known = False
        self._remaining: int | None = None
        self._place = 0

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        row = state.open.get(self.execution)
        if row is None:
            self._known = True
            return ()
        charge = self.outcome.charge
        amount = check_amount(charge.amount, "a charge")
        committed = charge.state == "committed"
        agent = state.agents[row.agent]
        self.overrun = committed and amount > row.hold
        rolled = roll(agent, now)
        before = left(agent, now)
        if before is not None:  # the hold goes and the cost comes in every budget of the chain alike
            self._remaining = max(0, before + row.hold - (amount if committed else 0))
        data = describe(self.outcome)
        data["agent"] = agent.name
        if committed:
            data["amount"] = amount
        if self.overrun:
            data["overrun"] = 1
        if self._remaining is not None:
            data["remaining"] = self._remaining
        kind = "execution.committed" if committed else "execution.released"
        self._place = len(rolled)
        drafts = [*rolled, (kind, self.execution, data)]
        if self.overrun and agent.state not in ("frozen", "decommissioned"):
            why = f"execution {self.execution} cost more than was set aside for it"
            drafts.append(("agent.state", agent.name, {"from": agent.state, "to": "frozen", "reason": why}))
        return drafts

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Booked | BookedBefore:
        if self._known:
            return BookedBefore(self.execution)
        if self.key is not None:
            self._keep_claim(state, self.key, now)
        charge = self.outcome.charge
        return Booked(
            execution=self.execution,
            receipt=receipts[self._place],
            amount=charge.amount if charge.state == "committed" else 0,
            estimated=charge.estimated,
            remaining=self._remaining,
            overrun=self.overrun,
        )

    def _keep_claim(self, state: State, key: ClaimKey, now: int) -> None:
        claim = state.claims.get(key)
        if claim is None or claim.execution != self.execution:
            return
        claim.done = succeeded(self.outcome)
        claim.dropped = not claim.done
        claim.expires = now + self.retention
        state.touched_claims[key] = claim

    def kept(self, now: int) -> KeptAnswer | None:
        """Return the answer to store with this settlement."""
        if self._known or self.answer is None or self.key is None or not succeeded(self.outcome):
            return None
        return KeptAnswer(self.execution, now + self.retention, self.answer)
