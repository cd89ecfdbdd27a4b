"""Standard output as commands write to it: where it cannot be written the program ends, as nobody could be told more."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # ``aexl --version`` imports this, and next to nothing else
    from collections.abc import Callable
    from typing import Any

READER_GONE = 141
"""Exit code where the reader of standard output has gone: 128 plus SIGPIPE, as programs end that write on."""


class _Descriptor(io.FileIO):
    """A descriptor that ends the program where it cannot be written: with a sentence, or quietly if its reader has gone."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            self._forget()
            gone = isinstance(error, BrokenPipeError)
            raise SystemExit(
                READER_GONE if gone else f"aexl: standard output could not be written: {error.strerror}"
            ) from None

    def _forget(self) -> None:
        """Let what could not be written go nowhere, instead of being tried again when the interpreter ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def run_written(work: Callable[[], object]) -> None:
    """Do what writes to standard output, to its last byte.

    Raises:
        SystemExit: If it cannot be written.
    """
    _open()
    try:
        work()
    finally:
        sys.stdout.flush()


def _open() -> None:
    given = sys.stdout
    if given is None:  # it was closed by who started us
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Descriptor(os.devnull, "w")), encoding="utf-8")
        return
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(given.fileno(), "w", closefd=False)),
        encoding=given.encoding,
        errors=given.errors,
        line_buffering=bool(given.line_buffering),
    )
