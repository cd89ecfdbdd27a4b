"""What goes wrong between a handler and the runtime.

::

    SdkError
    ├── ContractViolation   a handler is not what its kind must be; the snapshot does not load
    ├── InvalidInput        what a handler was given is not what its annotations say
    ├── NotAllowed          a handler did something that it did not declare
    └── ModelRefused        a call to a model was refused, or failed
"""

from __future__ import annotations


class SdkError(Exception):
    """Base of every error that the SDK raises."""


class ContractViolation(SdkError):
    """A handler is not what its kind must be; ``others`` says the same of further ones."""

    def __init__(self, message: str, others: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.others = others


class InvalidInput(SdkError):
    """What a handler was given, or gave, is not of the declared type; names every place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class NotAllowed(SdkError):
    """A handler did something that it did not declare: an action, a route, a tool of another server."""


class ModelRefused(SdkError):
    """A call to a model was refused, or failed.

    Args:
        status: The HTTP status, as the proxy answers it: 402 without budget, 403 by policy, 503 without a server.
        code: Stable identifier, such as ``insufficient_budget``.
        execution: Its id in the ledger, if it got that far.
    """

    def __init__(self, message: str, *, status: int, code: str, execution: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.execution = execution
