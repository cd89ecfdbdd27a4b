"""What a tool has answered and printed."""

from __future__ import annotations

from typing import Any, NamedTuple


class Output(NamedTuple):
    """An answer, a value of JSON, and what was written to standard output and standard error."""

    result: Any
    stdout: str
    stderr: str
