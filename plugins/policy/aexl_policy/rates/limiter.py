"""The rates of all agents: lets calls in, in turn, and forgets agents that are idle."""

from __future__ import annotations

import math
from typing import Final

import trio

from aexl.api import Call, Headers, Outcome, Plan, Surface
from aexl.errors import Refused
from aexl_policy.rates.headers import rate_headers
from aexl_policy.rates.turns import MAX_WAITING, Place, Turns
from aexl_policy.rates.waits import Waits

_SWEEP: Final = 256
_UNKNOWN: Final = 1.0  # seconds to come back after, when only a running call's end makes room


class RateLease:
    """A call's place among its agent's."""

    __slots__ = ("_place", "_surface", "_turns")

    def __init__(self, turns: Turns, place: Place, surface: Surface) -> None:
        self._turns = turns
        self._place = place
        self._surface = surface

    @property
    def headers(self) -> Headers:
        """What the agent has left, as of now."""
        return rate_headers(self._surface, self._turns.usage, self._place.limits, trio.current_time())

    def close(self, outcome: Outcome | None) -> None:
        """Give the place back: all of it when nothing was sent, else what was not used of the tokens."""
        self._turns.leave(self._place, _used(self._place, outcome), trio.current_time())


class Limiter:
    """Holds agents to requests and tokens per minute, and to calls at a time."""

    def __init__(self) -> None:
        self.waits = Waits()
        self._agents: dict[str, Turns] = {}
        self._sweep_at = _SWEEP

    @property
    def waiting(self) -> int:
        """How many calls of all agents wait."""
        return sum(turns.waiting for turns in self._agents.values())

    @property
    def agents(self) -> int:
        """How many agents are remembered."""
        return len(self._agents)

    async def admit(self, call: Call, plan: Plan) -> RateLease:
        """Let a call in, perhaps after waiting its turn.

        Raises:
            Refused: 429 ``rate_limited``, with the seconds after which there will be room.
        """
        now = trio.current_time()
        turns = self._of(call.principal.agent, now)
        place = Place(call.principal.limits, plan.input_bound + plan.output_bound)
        if not turns.enter(place, now):
            await self._wait(call, turns, place, now)
        return RateLease(turns, place, call.surface)

    async def _wait(self, call: Call, turns: Turns, place: Place, now: float) -> None:
        seconds = max(min(place.limits.queue, call.deadline - now), 0.0)
        at = turns.earliest(place, now)
        if at > now + seconds or seconds == 0 or turns.waiting >= MAX_WAITING:
            raise _refusal(call, turns, place, at, now)
        taken = await turns.wait(place, seconds)
        left = trio.current_time()
        self.waits.observe(left - now)
        if not taken:
            raise _refusal(call, turns, place, turns.earliest(place, left), left)

    def _of(self, agent: str, now: float) -> Turns:
        turns = self._agents.get(agent)
        if turns is None:
            if len(self._agents) >= self._sweep_at:
                self._forget_idle(now)
            turns = self._agents[agent] = Turns()
        return turns

    def _forget_idle(self, now: float) -> None:
        # At twice the size of what was left, so that a sweep costs nothing worth counting per new agent.
        self._agents = {
            name: turns for name, turns in self._agents.items() if turns.waiting or not turns.usage.is_idle(now)
        }
        self._sweep_at = max(2 * len(self._agents), _SWEEP)


def _used(place: Place, outcome: Outcome | None) -> int | None:
    if outcome is None:
        return None
    if outcome.usage is not None:
        return outcome.usage.input_total + outcome.usage.output_tokens
    return place.tokens if outcome.charge.state == "committed" else 0


def _refusal(call: Call, turns: Turns, place: Place, at: float, now: float) -> Refused:
    after = None if place.is_hopeless else at - now if now < at < math.inf else _UNKNOWN
    limits = []
    if place.limits.rpm is not None:
        limits.append(f"{place.limits.rpm} requests in 60 seconds")
    if place.limits.tpm is not None:
        limits.append(f"{place.limits.tpm} tokens in 60 seconds")
    if place.limits.concurrency is not None:
        limits.append(f"{place.limits.concurrency} calls at a time")
    again = "" if after is None else f" Try again in {math.ceil(after * 1000) / 1000:g} seconds."
    refused = Refused(
        f"Agent {call.principal.agent!r} is at its limit of {', '.join(limits)}, "
        f"and {turns.waiting} of its calls wait.{again}",
        code="rate_limited",
        status=429,
        retry_after=after,
    )
    refused.headers = rate_headers(call.surface, turns.usage, place.limits, now)
    return refused
