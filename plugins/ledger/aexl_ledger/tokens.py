"""Tokens: their form, and the operations on them. Pure.

A token is ``aexl_<id>_<secret>``; of the secret only the SHA-256 is kept. It has
192 random bits, so the hash says nothing about it and needs no salt.
"""

# ruff: noqa: ARG002 - operations have one signature, whatever they need of it

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast, get_args

from aexl.api.accounts import Token
from aexl.api.records import Receipt, Scope
from aexl.errors import Conflict, Invalid, NotFound
from aexl_ledger.operations import Draft, Operation, check_text, find_agent
from aexl_ledger.state import State, TokenRow
from aexl_ledger.windows import MICROS

PREFIX: Final = "aexl"
SCOPES: Final = get_args(Scope)
MOST_LABELS: Final = 16
LONGEST_TTL: Final = 10 * 366 * 86400.0


class Minted(NamedTuple):
    """A new token: its id, what is shown once, and what is kept."""

    id: str
    text: str
    digest: str


def make_token() -> Minted:
    """Return a fresh token."""
    token_id, secret = secrets.token_hex(8), secrets.token_hex(24)
    return Minted(token_id, f"{PREFIX}_{token_id}_{secret}", hashlib.sha256(secret.encode()).hexdigest())


def record(token: TokenRow) -> Token:
    """Return a token as others see it."""
    return Token(
        id=token.id,
        agent=token.agent,
        scope=cast("Scope", token.scope),
        labels=token.labels,
        created=token.created / MICROS,
        expires=None if token.expires is None else token.expires / MICROS,
    )


class MintToken(Operation[str]):
    """Make a token for an agent; ``ttl`` is seconds."""

    __slots__ = ("_minted", "agent", "labels", "revoke_others", "scope", "ttl")

    def __init__(
        self, agent: str, scope: Scope, labels: Mapping[str, str], ttl: float | None, revoke_others: bool = False
    ) -> None:
        self.agent = agent
        self.scope = scope
        self.labels = labels
        self.ttl = ttl
        self.revoke_others = revoke_others
        self._minted = make_token()

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        agent = find_agent(state, self.agent)
        if agent.state == "decommissioned":
            raise Conflict(f"the agent {self.agent} is decommissioned and can have no tokens")
        if self.scope not in SCOPES:
            raise Invalid(f"there is no scope {self.scope!r}: {', '.join(SCOPES)}")
        data: dict[str, Any] = {
            "agent": self.agent,
            "scope": self.scope,
            "labels": _check_labels(self.labels),
            "digest": self._minted.digest,
        }
        if self.ttl is not None:
            if isinstance(self.ttl, bool) or not 0 < self.ttl <= LONGEST_TTL:
                raise Invalid(f"a token's time to live must be above 0 and at most ten years, not {self.ttl!r} seconds")
            data["expires"] = now + round(self.ttl * MICROS)
        revoked = revocations(state, self.agent) if self.revoke_others else []
        return [*revoked, ("token.minted", self._minted.id, data)]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> str:
        return self._minted.text


class RevokeToken(Operation[None]):
    """End a token."""

    __slots__ = ("token_id",)

    def __init__(self, token_id: str) -> None:
        self.token_id = token_id

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        token = state.tokens.get(self.token_id)
        if token is None:
            raise NotFound(f"there is no live token {self.token_id!r}")
        return [("token.revoked", token.id, {"agent": token.agent})]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> None:
        return None


class ListTokens(Operation[Sequence[Token]]):
    """Return the live tokens of an agent, oldest first."""

    __slots__ = ("agent",)
    writes = False

    def __init__(self, agent: str) -> None:
        self.agent = agent

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        find_agent(state, self.agent)
        return []

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Sequence[Token]:
        return [
            record(token)
            for token in sorted(state.tokens.values(), key=lambda token: (token.created, token.id))
            if token.agent == self.agent and (token.expires is None or now < token.expires)
        ]


def revocations(state: State, agent: str) -> list[Draft]:
    """Return the events that end all tokens of an agent."""
    return [("token.revoked", token.id, {"agent": agent}) for token in state.tokens.values() if token.agent == agent]


def _check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    if len(labels) > MOST_LABELS:
        raise Invalid(f"a token can have {MOST_LABELS} labels, not {len(labels)}")
    return {check_text(key, "a label's name", 64): check_text(value, "a label", 200) for key, value in labels.items()}
