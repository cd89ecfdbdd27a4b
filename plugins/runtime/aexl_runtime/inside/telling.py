"""What went wrong in a project, told so that its author finds the place."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
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
    if isinstance(error, SyntaxError) and error.filename:
        return {
            **_place(error.filename, root, debug=debug),
            "line": error.lineno,
            "function": "<module>",
            "code": (error.text or "").strip(),
            **_relative(error.filename, root),
        }
    found = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if found is None or _is_below(name, root) or not _is_below(found.tb_frame.f_code.co_filename, root):
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    code = found.tb_frame.f_code
    return {
        **_place(code.co_filename, root, debug=debug),
        "line": found.tb_lineno,
        "function": code.co_name,
        "code": _line(code.co_filename, found.tb_lineno),
        **_relative(code.co_filename, root),
    }


def _place(name: str, root: str, *, debug: bool) -> dict[str, Any]:
    """Return the file; without ``debug`` not where on this machine it is."""
    if debug:
        return {"file": name}
    return {"file": os.path.relpath(name, root) if _is_below(name, root) else os.path.basename(name)}


def _relative(name: str, root: str) -> Mapping[str, str]:
    return {"relpath": os.path.relpath(name, root)} if _is_below(name, root) else {}


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
