"""Answers and errors, in one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.responses import Response

from aexl.errors import AexlError, Conflict, Invalid, NotFound, Refused, Unavailable
from aexl_pipelines.gates.files import AlreadyDecided
from aexl_pipelines.language.problems import InvalidPipeline, Problem

_STATUS: Final[Sequence[tuple[type[AexlError], int, str]]] = (
    (AlreadyDecided, 409, "gate_decided"),
    (InvalidPipeline, 422, "invalid_pipeline"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (Invalid, 400, "invalid"),
    (Unavailable, 503, "unavailable"),
)


def json(value: object, status: int = 200) -> Response:
    """Return a value as JSON."""
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(value, enc_hook=str), status, headers, media_type="application/json")


def nothing() -> Response:
    """Return an answer without content."""
    return Response(status_code=204)


def error_answer(error: AexlError) -> Response:
    """Return what went wrong: ``{"error": {message, type, param, code}}``, as the host's own refusals are."""
    if isinstance(error, Refused):
        answer = _error(error.status, error.code, error.reason, error.param)
        if error.retry_after is not None:
            answer.headers["retry-after"] = str(round(error.retry_after))
        return answer
    status, code = next(
        ((status, code) for kind, status, code in _STATUS if isinstance(error, kind)), (500, "internal_error")
    )
    if isinstance(error, InvalidPipeline):
        return _error(status, code, str(error), None, [problem_fields(each) for each in error.problems])
    return _error(status, code, str(error), None)


def problem_fields(problem: Problem) -> dict[str, object]:
    """Return a problem of a pipeline in the words of ail, with its place besides."""
    place = problem.place
    return {
        "error_type": f"ail:{problem.code}",
        "title": problem.code.rpartition("/")[2].replace("-", " "),
        "detail": problem.message,
        "suggestion": problem.suggestion,
        "context": {"file": place.file, "line": place.line, "column": place.column},
    }


def _error(status: int, code: str, message: str, param: str | None, problems: object = None) -> Response:
    fields: dict[str, object] = {"message": message, "type": "aexl_error", "param": param, "code": code}
    if problems is not None:
        fields["problems"] = problems
    return json({"error": fields}, status)
