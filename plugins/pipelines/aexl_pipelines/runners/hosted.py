"""Runners that need no process: they work inside the host."""

from __future__ import annotations

from typing import NoReturn

from aexl.api import Usage
from aexl.api.runners import STATUS_OF, RunnerError, RunnerOutcome, RunnerRequest, Totals
from aexl.errors import Invalid
from aexl_pipelines.runners.structured import find_answer


class Hosted:
    """What such runners have in common; see ``aexl.api.HostedRunner``."""

    name: str

    def launch(self, request: RunnerRequest) -> NoReturn:
        """Refuse: there is nothing to start.

        Raises:
            Invalid: Always.
        """
        raise Invalid(f"runner {self.name} starts no process for {str(request.cwd)!r}: call its run()")

    def parser(self, request: RunnerRequest) -> NoReturn:
        """Refuse: there is no output to read.

        Raises:
            Invalid: Always.
        """
        raise Invalid(f"runner {self.name} starts no process for {str(request.cwd)!r}: call its run()")


def conclude(
    request: RunnerRequest,
    text: str,
    *,
    error: RunnerError | None = None,
    session: str | None = None,
    model: str | None = None,
    usage: Usage | None = None,
    cost: int | None = None,
) -> RunnerOutcome:
    """Return the outcome of a run without a process, the answer held to its schema."""
    structured: object = None
    if error is None and request.schema is not None:
        structured, fault = find_answer(text, request.schema)
        error = RunnerError(kind="schema", message=fault) if fault else None
    return RunnerOutcome(
        status="completed" if error is None else STATUS_OF.get(error.kind, "failed"),
        text=text,
        structured=structured,
        session=session,
        model=model or request.model,
        usage=usage,
        cost=cost,
        totals=Totals(usage=usage, cost=cost),
        turns=1 if error is None else None,
        error=error,
    )
