"""Every error that aexl raises on purpose.

::

    AexlError
    ├── CallError        a governed call did not end well; has a status, a code and a receipt
    │   ├── Refused          it may not run
    │   └── ProviderFailed   a target gave no usable answer
    ├── ConfigError      a value in a configuration file is wrong; has file, line and suggestion
    ├── PluginError      a plugin did something it must not do; has its name and the hook
    ├── NotFound         what a command names does not exist
    ├── Conflict         what a command wants to make exists, or has changed meanwhile
    │   └── HeadMoved    a head no longer points where the caller believed it did
    ├── Invalid          a value that a person or a program gave is not acceptable
    └── Unavailable      something that is needed cannot be had now: a lock, a server, the disk

A message is a sentence with the offending value in it, and says what to do.
``exit_code`` is what the command line ends with when nobody catches the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal, NamedTuple

WORTH_RETRYING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which asking again can help; every other error says ``x-should-retry: false``."""


class AexlError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class CallError(AexlError):
    """A governed call did not end well.

    The call path sets ``execution`` and ``receipt`` (as ``seq:hash``) where the
    ledger knows of it, ``cost`` and ``remaining`` in nano-dollars as ``Booked`` has
    them, and ``headers`` to add to the answer.
    """

    def __init__(self, reason: str, *, code: str, status: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.status = status
        self.execution: str | None = None
        self.receipt: str | None = None
        self.cost: int | None = None
        self.remaining: int | None = None
        self.headers: Sequence[tuple[bytes, bytes]] = ()


class Refused(CallError):
    """A call may not run.

    Args:
        reason: One sentence for the caller, saying what to do.
        code: Stable identifier of the rule, such as ``insufficient_budget``.
        status: The HTTP status on a neutral surface; the surface may map it.
        retry_after: Seconds after which asking again makes sense, if ever.
        param: The request's field that is at fault, where there is one.
    """

    def __init__(
        self, reason: str, *, code: str, status: int, retry_after: float | None = None, param: str | None = None
    ) -> None:
        super().__init__(reason, code=code, status=status)
        self.retry_after = retry_after
        self.param = param

    def copy(self, *, status: int | None = None) -> Refused:
        """Return a refusal that says the same of another call; what is known of this call stays with this one."""
        same = Refused(
            self.reason,
            code=self.code,
            status=self.status if status is None else status,
            retry_after=self.retry_after,
            param=self.param,
        )
        same.headers = self.headers
        return same


class ProviderFailed(CallError):
    """A target gave no usable answer.

    Args:
        reason: One sentence, without keys or bodies in it.
        code: Stable identifier, such as ``upstream_unreachable`` or ``upstream_timeout``.
        status: The HTTP status for the client: 502 or 504.
        charged: Whether the provider may have counted it: ``no`` when the request
            provably never left, else ``unknown``.
        lasting: Asking this target again would end in the same way.
    """

    def __init__(
        self, reason: str, *, code: str, status: int, charged: Literal["no", "unknown"], lasting: bool = False
    ) -> None:
        super().__init__(reason, code=code, status=status)
        self.charged = charged
        self.lasting = lasting


class Problem(NamedTuple):
    """One thing that is wrong in a configuration file.

    ``key`` is the dotted path of the value; ``line`` counts from 1 and is ``None``
    where the value does not stand in a file (an environment variable, a default).
    """

    key: str
    message: str
    source: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}: " if self.line is not None else f"{self.source}: " if self.source else ""
        return f"{place}{self.key}: {self.message}"


class ConfigError(AexlError):
    """Values in a configuration file are wrong; names every one of them."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class PluginError(AexlError):
    """A plugin did something it must not do; says which plugin and which hook."""

    def __init__(self, plugin: str, hook: str, problem: str) -> None:
        super().__init__(f"plugin {plugin!r}, {hook}: {problem}")
        self.plugin = plugin
        self.hook = hook
        self.problem = problem


class NotFound(AexlError):
    """What a command names does not exist."""

    exit_code = 4


class Conflict(AexlError):
    """What a command wants to make exists already, or has changed meanwhile."""

    exit_code = 5


class HeadMoved(Conflict):
    """A head no longer points where the caller believed it did."""


class Invalid(AexlError):
    """A value that was given is not acceptable; the message names the value and the limit."""

    exit_code = 2


class Unavailable(AexlError):
    """Something that is needed cannot be had now: a lock, a server, space on the disk."""

    exit_code = 6
