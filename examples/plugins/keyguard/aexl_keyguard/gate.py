"""The gate: reads each request's exact bytes, and refuses what has a key in it."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from aexl.api import Call, Config, Lease, Plan
from aexl.errors import ConfigError, Problem, Refused
from aexl_keyguard.finding import KNOWN, Finder
from aexl_keyguard.settings import KeyguardSection


class KeyGate:
    """Refuses calls that carry something that looks like a key; holds nothing."""

    name = "keyguard"

    def __init__(self) -> None:
        self._finder = Finder(KNOWN)
        self._exempt: tuple[str, ...] = ()

    async def prepare(self, config: Config) -> Callable[[], None]:
        """Compile the patterns; return what puts them in force."""
        section = config.section(KeyguardSection)
        try:
            finder = Finder({**KNOWN, **section.patterns})
        except ValueError as error:
            raise ConfigError([Problem(key="keyguard.patterns", message=str(error))]) from error

        def swap() -> None:
            self._finder, self._exempt = finder, section.exempt

        return swap

    async def admit(self, call: Call, plan: Plan) -> Lease | None:  # noqa: ARG002 - where the call goes does not matter
        """Let the call in, or refuse it with 403 ``key_in_request``."""
        agent = call.principal.agent
        if any(fnmatchcase(agent, glob) for glob in self._exempt):
            return None
        found = self._finder.find(call.body.data)
        if found is not None:
            raise Refused(
                f"the request has {found} in it, and was not sent; take it out, or have [keyguard] exempt name {agent!r}",
                code="key_in_request",
                status=403,
            )
        return None
