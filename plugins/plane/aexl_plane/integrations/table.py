"""``[integrations.<name>]`` in ``aexl.toml``: what the server's owner lets projects do elsewhere."""

from __future__ import annotations

import re
from typing import Final

import msgspec

TABLE: Final = "integrations"

ANY_TENANT: Final = "*"

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class IntegrationSection(msgspec.Struct, frozen=True, kw_only=True):
    """One integration of the server; the rest belongs to the provider's connector.

    Attributes:
        provider: What kind it is.
        tenants: Ids or names of the tenants that may connect to it; ``*`` is every one.
        actions: What may be granted; everything that the provider can do, if empty.
        credential: The variable that has the secret.
        timeout: Seconds that one call may take.
        per_minute: Calls of one connection in any sixty seconds.
        concurrent: Calls of one connection at a time.
    """

    provider: str
    tenants: tuple[str, ...]
    actions: tuple[str, ...] = ()
    credential: str = ""
    timeout: float = 30.0
    per_minute: int = 60
    concurrent: int = 4
    options: dict[str, object] = {}

    def __post_init__(self) -> None:
        if not self.tenants:
            raise ValueError('tenants must name who may use it; ["*"] is every tenant of this server')
        if self.credential and _VARIABLE.fullmatch(self.credential) is None:
            raise ValueError("credential must be the name of an environment variable, and not the secret itself")
        if not 0.1 <= self.timeout <= 300:
            raise ValueError(f"timeout must be from 0.1 to 300, not {self.timeout}")
        if not 1 <= self.per_minute <= 100_000:
            raise ValueError(f"per_minute must be from 1 to 100000, not {self.per_minute}")
        if not 1 <= self.concurrent <= 1000:
            raise ValueError(f"concurrent must be from 1 to 1000, not {self.concurrent}")
