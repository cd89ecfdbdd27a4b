"""The gate: rules before a call is planned, limits and rates after."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from aexl.api import Call, Config, Lease, Plan
from aexl.errors import Invalid, Refused
from aexl_policy.config import PolicyConfig
from aexl_policy.rates.limiter import Limiter
from aexl_policy.rules.book import RuleBooks
from aexl_policy.rules.lifecycle import check_scope, check_state
from aexl_policy.rules.tokens import check_bounds

if TYPE_CHECKING:
    from aexl_policy.scripts.policies import Policies

_MIB = 1024 * 1024


class PolicyGate:
    """Holds every agent to its limits, and every call to the operator's policies.

    Args:
        home: ``AEXL_HOME``, which the patterns of policy files are relative to.

    Attributes:
        denials: How many calls each rule refused, by its code.
    """

    name = "policy"

    def __init__(self, home: Path) -> None:
        self.denials: dict[str, int] = {}
        self.limiter = Limiter()
        self._home = home
        self._books = RuleBooks()
        self._policies: Policies | None = None
        self._prepared: Policies | None = None
        self._nursery: trio.Nursery | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold what policies need; leaving ends their process."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                yield
            finally:
                self._nursery = None
                for policies in (self._policies, self._prepared):
                    if policies is not None:
                        await policies.worker.aclose()

    async def prepare(self, config: Config) -> Callable[[], None]:
        """Load the policies in a new process; the returned function puts it in the old one's place.

        Raises:
            ConfigError: If a policy cannot be loaded.
        """
        await self._discard()
        section = config.section(PolicyConfig)
        self._prepared = await self._load(section)

        def swap() -> None:
            old, self._policies, self._prepared = self._policies, self._prepared, None
            if old is not None and self._nursery is not None:
                self._nursery.start_soon(old.worker.aclose)

        return swap

    async def revise(self, call: Call) -> Call:
        """Hold a call to what its agent may ask for, then ask the policies.

        Raises:
            Refused: 423, or 403 with the code of the rule.
        """
        principal = call.principal
        try:
            if principal.state != "ready":
                check_state(principal.agent, principal.state)
            if principal.scope == "read":
                check_scope(call)
            book = self._books.of(principal.agent, principal.limits)
            call = book.apply(call)
            if self._policies is not None:
                patched = await self._policies.apply(call)
                call = call if patched is call else book.apply(patched)
        except Refused as refused:
            self._count(refused)
            raise
        except Invalid as error:  # a value that a rule had to read cannot be read
            malformed = Refused(f"{error}; send another value", code="invalid_value", status=400)
            self._count(malformed)
            raise malformed from error
        return call

    async def admit(self, call: Call, plan: Plan) -> Lease | None:
        """Hold a call to its agent's limits on tokens, then to its rates, perhaps after waiting its turn.

        Raises:
            Refused: 403 with the code of the limit, or 429 ``rate_limited``.
        """
        limits = call.principal.limits
        book = self._books.of(call.principal.agent, limits)
        try:
            if book.bounded:
                check_bounds(plan, limits)
            return await self.limiter.admit(call, plan) if book.rated else None
        except Refused as refused:
            self._count(refused)
            raise

    async def probe(self) -> str | None:
        """Return what is wrong with the policies' process, if there is one."""
        return None if self._policies is None else await self._policies.worker.probe()

    @property
    def restarts(self) -> int:
        """How often the policies' process in use had to be started again."""
        return 0 if self._policies is None else self._policies.worker.restarts

    def _count(self, refused: Refused) -> None:
        self.denials[refused.code] = self.denials.get(refused.code, 0) + 1

    async def _discard(self) -> None:
        # Prepared by a reload that another part of aexl then refused.
        unused, self._prepared = self._prepared, None
        if unused is not None:
            await unused.worker.aclose()

    async def _load(self, section: PolicyConfig) -> Policies | None:
        from aexl_policy.scripts.sources import find_sources

        sources = await trio.to_thread.run_sync(find_sources, self._home, section.files)
        if not sources:
            return None
        from aexl_policy.scripts.policies import Policies
        from aexl_policy.scripts.process import PolicyWorker

        worker = PolicyWorker(sources, timeout=section.timeout, memory=section.memory * _MIB)
        await worker.start()
        return Policies(worker)
