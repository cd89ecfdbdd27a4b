"""What a project prints: lines for the log, in order with what it logs."""

from __future__ import annotations

from io import TextIOBase
from typing import Literal

from aexl_runtime.inside.wire import Wire

_LONGEST = 8 * 1024
"""Characters of a line; a longer one comes in pieces."""


class Printed(TextIOBase):
    """Python's standard output or standard error in a worker."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, wire: Wire, stream: Literal["stdout", "stderr"], descriptor: int) -> None:
        self._wire = wire
        self._stream = stream
        self._descriptor = descriptor
        self._held = ""

    def fileno(self) -> int:
        """Return the descriptor that the stream would have; what is written to it is logged too."""
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Send every line that is complete."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, self._held = (self._held + text).split("\n")
        for line in lines:
            self._send(line)
        while len(self._held) > _LONGEST:
            self._send(self._held[:_LONGEST])
            self._held = self._held[_LONGEST:]
        return len(text)

    def finish(self) -> None:
        """Send what stands after the last line end."""
        if self._held:
            self._send(self._held)
            self._held = ""

    def _send(self, line: str) -> None:
        for at in range(0, max(len(line), 1), _LONGEST):
            self._wire.send({"t": "out", "s": self._stream, "x": line[at : at + _LONGEST]})
