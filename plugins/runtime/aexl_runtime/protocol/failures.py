"""The ways in which a run can fail, with the code, the HTTP status and the exit status of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Sort(NamedTuple):
    """One way to fail.

    Attributes:
        exit: The runner's exit status.
        legacy: The code of before, for ``details.legacy_code``.
        event: The word after ``runner.invoke.`` in the log, and the record's level.
    """

    code: str
    http: int
    exit: int
    legacy: str | None = None
    event: tuple[str, str] | None = None


_INVALID: Final = ("validation_error", "WARN")
_SECURITY: Final = ("security_violation", "ERROR")

SORTS: Final[Mapping[str, Sort]] = {
    "request": Sort("VALIDATION_ERROR", 400, 2, "BAD_REQUEST"),
    "missing": Sort("NOT_FOUND", 404, 3),
    "entry_point": Sort("NOT_FOUND", 404, 3, "ENTRYPOINT_NOT_FOUND"),
    "load": Sort("INTERNAL", 500, 3, "SNAPSHOT_LOAD_ERROR"),
    "import": Sort("SECURITY_VIOLATION", 403, 3, "SECURITY_VIOLATION"),
    "sandbox": Sort("INTERNAL", 503, 3, "SANDBOX_UNAVAILABLE"),
    "worker": Sort("INTERNAL", 503, 3, "WORKER_UNAVAILABLE"),
    "value": Sort("VALIDATION_ERROR", 400, 6, None, _INVALID),
    "not_found": Sort("NOT_FOUND", 404, 5, "HANDLER_NOT_FOUND", ("not_found", "WARN")),
    "not_allowed": Sort("SECURITY_VIOLATION", 403, 7, "SECURITY_VIOLATION", _SECURITY),
    "user": Sort("USER_CODE_ERROR", 500, 7, None, ("user_code_error", "ERROR")),
    "timeout": Sort("TIMEOUT", 504, 4, None, ("timeout", "WARN")),
}


class Failure(NamedTuple):
    """Why a run gave no result.

    Attributes:
        sort: A key of ``SORTS``.
        http: The HTTP status, where it is not the sort's.
        exception: The type of the exception, as its author named it.
        location: ``file``, ``line``, ``function``, ``code``, and ``relpath`` within the project.
    """

    sort: str
    message: str
    http: int | None = None
    exception: str | None = None
    location: Mapping[str, object] | None = None
    traceback: str | None = None
    extra: Mapping[str, object] = {}

    @property
    def kind(self) -> Sort:
        """What kind of failure this is."""
        return SORTS[self.sort]

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.http or self.kind.http

    def error(self, *, debug: bool) -> dict[str, object]:
        """Return it as the answer's ``error``."""
        details: dict[str, object] = {}
        if self.exception is not None:
            details["exception_type"] = self.exception
        if self.location is not None:
            details["location"] = dict(self.location)
        if debug and self.traceback is not None:
            details["traceback"] = self.traceback
        if self.kind.legacy is not None:
            details["legacy_code"] = self.kind.legacy
        if self.http is not None and self.http != self.kind.http:
            details["status_code"] = self.http
        details.update(self.extra)
        return {"code": self.kind.code, "message": self.message, "details": details}


class Failed(Exception):
    """A run gives no result, because of a ``Failure``."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def fail(sort: str, message: str, **more: object) -> Failed:
    """Return the exception for a failure."""
    return Failed(Failure(sort=sort, message=message, **more))  # type: ignore[arg-type]  # fields by name
