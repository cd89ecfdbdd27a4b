"""Gates at the run's own terminal: a prompt that ends when somebody else has answered."""

from __future__ import annotations

import os
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

import trio

from aexl.errors import AexlError
from aexl_pipelines.gates.editing import find_editor, read_edited, text_file
from aexl_pipelines.gates.records import Decided, describe
from aexl_pipelines.gates.wording import card, choices, read_answer
from aexl_pipelines.journal.records import Gate, Verdict
from aexl_pipelines.live.words import clean

DEVICE: Final = Path("/dev/tty")
_BACKGROUND: Final = 0.25
"""Seconds between two looks whether the terminal is ours again."""


class Terminal:
    """Asks at a terminal; one gate at a time, the others wait their turn.

    Args:
        device: The terminal; the process's own by default.
        by: Who answers here, for the record.
        quiet: A context in which nothing else writes to the terminal (the live view steps back).
        environ: Names the editor.

    Raises:
        OSError: If there is no such terminal.
    """

    def __init__(
        self,
        device: Path = DEVICE,
        *,
        by: str = "terminal",
        quiet: Callable[[], AbstractContextManager[object]] = nullcontext,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        # A description of our own: that it does not wait is nobody else's business.
        self._fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._out = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self._by = by
        self._quiet = quiet
        self._environ = environ
        self._turn = trio.Lock()

    def close(self) -> None:
        """Give the terminal back."""
        os.close(self._fd)
        os.close(self._out)

    async def answer(self, gate: Gate) -> Verdict | None:
        """Ask; ``None`` at the end of input (Ctrl-D, a terminal that is gone). If cancelled, half a line is dropped."""
        async with self._turn:
            try:
                with self._quiet(), self._restored():
                    termios.tcflush(self._fd, termios.TCIFLUSH)  # typed ahead, for whom nobody knows
                    self._write("\n" + "\n".join(card(gate)) + f"\n{choices(gate)}\n")
                    return await self._converse(gate)
            except (OSError, termios.error):
                return None

    def settled(self, gate: Gate, decided: Decided) -> None:
        """Say what was decided elsewhere."""
        with self._quiet(), suppress(OSError):
            self._write(f"\nGate {gate.id} was {clean(describe(decided))}.\n")

    async def _converse(self, gate: Gate) -> Verdict | None:
        while True:
            self._write("> ")
            line = await self._read_line()
            if line is None:
                self._write("\n")
                return None
            if not line.strip():
                continue
            try:
                choice, reason = read_answer(line, gate)
                text = await self._edit(gate.content) if choice == "edit" else None
            except AexlError as error:
                self._write(f"{clean(str(error))}\n")
                continue
            return Verdict(choice=choice, text=text, reason=reason, by=self._by)

    async def _read_line(self) -> str | None:
        line = b""
        while not line.endswith(b"\n"):
            await trio.lowlevel.wait_readable(self._fd)
            if not self._is_ours():
                await trio.sleep(_BACKGROUND)  # in the background; to read would stop this process
                continue
            try:
                piece = os.read(self._fd, 4096)
            except BlockingIOError:
                continue
            if not piece:
                return None
            line += piece
        return line.decode(errors="replace")

    def _is_ours(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # not the terminal that controls this process: nobody else competes for it
            return True

    async def _edit(self, text: str) -> str:
        editor = find_editor(self._environ)
        with text_file(text) as path, self._restored():
            done = await trio.run_process(
                [*editor, str(path)], stdin=self._out, stdout=self._out, stderr=self._out, check=False
            )
            return read_edited(path, editor, done.returncode)

    @contextmanager
    def _restored(self) -> Iterator[None]:
        """Leave the terminal as it was, also when an editor was killed."""
        before = termios.tcgetattr(self._fd)
        try:
            yield
        finally:
            with suppress(termios.error):  # the terminal is gone, and with it what could be restored
                termios.tcsetattr(self._fd, termios.TCSAFLUSH, before)  # FLUSH: half a line is no shell's command

    def _write(self, text: str) -> None:
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(self._out, data) :]
