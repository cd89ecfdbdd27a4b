"""Answers held to their ``output_schema``. Pure."""

from __future__ import annotations

import msgspec

from aexl.errors import Invalid
from aexl_pipelines.execution.outcomes import Work, failure
from aexl_pipelines.language.model import Step
from aexl_pipelines.language.schemas import check_answer


def hold_to_schema(step: Step, work: Work) -> Work:
    """Return work that completed only if its answer is what the step's schema wants."""
    if step.output_schema is None or work.status != "completed" or work.end is not None or work.structured is not None:
        return work
    answer = work.response if work.response is not None else work.stdout or ""
    try:
        return msgspec.structs.replace(work, structured=check_answer(step.output_schema, answer))
    except Invalid as error:
        failed = failure(str(error), "schema")
        return msgspec.structs.replace(work, status="failed", error=failed.error)
