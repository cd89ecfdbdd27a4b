"""What went wrong in a project, told so that its author finds the place."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Any

from aexl.sdk.errors import ContractViolation, InvalidInput, NotAllowed
from aexl_runtime.protocol.failures import Failed
from aexl_runtime.protocol.plain import NotPlain

_STATUSES = ("status_code", "http_status", "status")


def told_failure(error: BaseException, *, root: str, debug: bool, sort: str = "user") -> dict[str, Any]:
    """Return the message for an exception.

    Args:
        sort: What it is where it is the project's own: ``user`` in a call, ``load`` before.
    """
    if isinstance(error, Failed):
        failure = error.failure
        return {"t": "failed", "sort": failure.sort, "message": failure.message, "exception": failure.exception}
    http = None
    if sort == "user":
        if isinstance(error, InvalidInput | NotPlain):
            sort = "value"
        elif isinstance(error, NotAllowed):
            sort = "not_allowed"
        else:
            http = _status(error)
    message: dict[str, Any] = {
        "t": "failed",
        "sort": sort,
        "message": _message(error),
        "exception": type(error).__name__,
        "http": http,
        "location": _location(error, root, debug=debug),
    }
    if isinstance(error, ContractViolation) and error.others:
        message["others"] = list(error.others)
    if debug:
        message["traceback"] = _trace(error)
    return message


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the code ended itself with SystemExit: {error.code!r}"
    try:
        text = str(error)
    except Exception as inner:
        text = f"<{type(error).__name__} whose text raised {type(inner).__name__}>"
    return (text or type(error).__name__)[:10_000]


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an exception or its response carries as a number; texts are not searched."""
    for place in (error, getattr(error, "response", None)):
        for name in _STATUSES:
            value = getattr(place, name, None)
            if type(value) is int and 400 <= value <= 599:
                return value
    return None


def _location(error: BaseException, root: str, *, debug: bool) -> dict[str, Any] | None:
    """Return the innermost place in the project; ``None`` where the error has none there."""
    if isinstance(error, SyntaxError) and error.filename and _is_below(error.filename, root):
        return _place(error.filename, error.lineno, "<module>", (error.text or "").strip(), root, debug=debug)
    found = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if _is_below(trace.tb_frame.f_code.co_filename, root):
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    code, line = found.tb_frame.f_code, found.tb_lineno
    return _place(code.co_filename, line, code.co_name, _line(code.co_filename, line), root, debug=debug)


def _place(name: str, line: int | None, function: str, code: str, root: str, *, debug: bool) -> dict[str, Any]:
    """Return a place; where on this machine its file is, is only for ``debug``."""
    inner = os.path.relpath(name, root)
    return {"file": name if debug else inner, "line": line, "function": function, "code": code, "relpath": inner}


def _is_below(name: str, root: str) -> bool:
    return name.startswith(root.rstrip(os.sep) + os.sep)


def _line(name: str, number: int) -> str:
    import linecache

    return linecache.getline(name, number).strip()[:200]


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))[-40_000:]


def forget_frames() -> None:
    """Let go of the last exception, which would keep the project's values alive in a worker that goes on."""
    for name in ("last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
