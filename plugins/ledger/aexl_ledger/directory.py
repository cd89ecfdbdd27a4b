"""Who a token belongs to, answered from memory in the loop. Pure but for the clock it is given."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final, cast

from aexl.api.records import Limits, Principal, Scope
from aexl.api.records import State as Lifecycle
from aexl.errors import Refused
from aexl_ledger.agents import read_limits
from aexl_ledger.driver import Balance, Changes, Credential, Profile

LONGEST_TOKEN: Final = 200

_sha256 = hashlib.sha256
_equal = hmac.compare_digest


class _Known:
    __slots__ = ("digest", "expires", "principal")

    def __init__(self, digest: str, expires: int | None, principal: Principal) -> None:
        self.digest = digest
        self.expires = expires
        self.principal = principal


class Directory:
    """Copies of agents and tokens, kept up to date by what each batch changed.

    Attributes:
        balances: Of every living agent, for gauges.
        head: Number and hash of the last event.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._profiles: dict[str, tuple[Profile, Limits]] = {}
        self._credentials: dict[str, dict[str, Credential]] = {}
        self._known: dict[str, _Known] = {}
        self.balances: dict[str, Balance] = {}
        self.head: tuple[int, bytes] = (0, b"")

    def authenticate(self, token: str) -> Principal:
        """Return whose token this is.

        Raises:
            Refused: 401 if it is malformed, unknown, revoked or expired.
        """
        parts = token.split("_", 2) if len(token) <= LONGEST_TOKEN else ()
        if len(parts) == 3 and parts[0] == "aexl":
            known = self._known.get(parts[1])
            digest = _sha256(parts[2].encode("utf-8", "surrogatepass")).hexdigest()
            if known is not None and _equal(known.digest, digest):
                if known.expires is None or self._clock() < known.expires:
                    return known.principal
                raise Refused(
                    f"the token {parts[1]} has expired: make a new one with `aexl agent rotate-token`",
                    code="expired_token",
                    status=401,
                )
        raise Refused(
            "the token is not one of this server's, or was revoked: `aexl agent create` shows one once",
            code="invalid_token",
            status=401,
        )

    def family(self, agent: str) -> list[str]:
        """Return the names of an agent and of its descendants."""
        return [agent, *(name for name, (profile, _) in self._profiles.items() if agent in profile.ancestors)]

    def hear(self, changes: Changes) -> None:
        """Take over what a batch changed."""
        self.head = changes.head or self.head
        if changes.complete:
            self._profiles.clear()
            self._credentials.clear()
            self._known.clear()
            self.balances.clear()
        for balance in changes.balances:
            if balance.deleted:
                self.balances.pop(balance.agent, None)
            else:
                self.balances[balance.agent] = balance
        for profile in changes.profiles:
            self._profiles[profile.name] = (profile, read_limits(profile.limits))
        for credential in changes.credentials:
            mine = self._credentials.setdefault(credential.agent, {})
            if credential.revoked:
                mine.pop(credential.id, None)
                self._known.pop(credential.id, None)
            else:
                mine[credential.id] = credential
                self._know(credential)
        for profile in changes.profiles:
            for credential in self._credentials.get(profile.name, {}).values():
                self._know(credential)

    def _know(self, credential: Credential) -> None:
        profile, limits = self._profiles[credential.agent]
        principal = Principal(
            agent=credential.agent,
            token_id=credential.id,
            scope=cast("Scope", credential.scope),
            state=cast("Lifecycle", profile.state),
            limits=limits,
            labels=credential.labels,
        )
        self._known[credential.id] = _Known(credential.digest, credential.expires, principal)
