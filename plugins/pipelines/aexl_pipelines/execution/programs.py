"""Programs that steps run: a line of shell, with its output bounded and its end certain."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio
from trio.abc import ReceiveChannel

from aexl.api import Host, ProcessSpec

SHELL: Final = "/bin/sh"
OUTPUT_LIMIT: Final = 1024 * 1024
"""Bytes of each stream that are kept: its begin and its end."""

_CUT: Final = "\n[... {} bytes left out ...]\n"


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed, and its exit code: minus the signal that ended it; ``fell_silent``: it was ended for that."""

    stdout: str
    stderr: str
    exit_code: int
    fell_silent: bool = False


class Kept:
    """The begin and the end of a text that may be long."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self._half = limit // 2
        self._head: list[bytes] = []
        self._tail: deque[bytes] = deque()
        self._sizes = [0, 0]
        self._dropped = 0

    def add(self, line: bytes) -> None:
        """Keep a line, or let go of one in the middle."""
        if self._sizes[0] + len(line) <= self._half and not self._tail:
            self._head.append(line)
            self._sizes[0] += len(line) + 1
            return
        kept = line[-self._half :]
        self._tail.append(kept)
        self._sizes[1] += len(kept) + 1
        self._dropped += len(line) - len(kept)
        while self._sizes[1] > self._half + 1 and len(self._tail) > 1:
            gone = len(self._tail.popleft()) + 1
            self._sizes[1] -= gone
            self._dropped += gone

    def text(self) -> str:
        """Return what is kept."""
        middle = [_CUT.format(self._dropped).strip().encode()] if self._dropped else []
        return b"\n".join([*self._head, *middle, *self._tail]).decode(errors="replace")


async def run_shell(
    host: Host,
    command: str,
    *,
    cwd: Path,
    env: Mapping[str, str],
    tell: Callable[[str], None],
    idle: float | None = None,
) -> Output:
    """Run a line of shell to its end; cancelling ends its whole tree.

    Args:
        tell: Hears each line, of both streams. Must not wait.
        idle: Seconds without a line after which it is ended.

    Raises:
        NotFound: If there is no such folder.
    """
    streams = Kept(), Kept()
    heard = [trio.current_time()]

    async def read(lines: ReceiveChannel[bytes], into: Kept) -> None:
        async for line in lines:
            heard[0] = trio.current_time()
            into.add(line)
            tell(line.decode(errors="replace") + "\n")

    spec = ProcessSpec(argv=[SHELL, "-c", command], env=env, cwd=cwd, cancel=((15, 0.3),))
    async with host.spawn(spec) as process:
        with trio.CancelScope() as patience:
            async with trio.open_nursery() as nursery:
                if idle is not None:
                    nursery.start_soon(_watch, heard, idle, patience)
                async with trio.open_nursery() as reading:
                    reading.start_soon(read, process.lines, streams[0])
                    reading.start_soon(read, process.stderr, streams[1])
                code = await process.wait()
                nursery.cancel_scope.cancel()
            return Output(streams[0].text(), streams[1].text(), code)
    return Output(streams[0].text(), streams[1].text(), -15, fell_silent=True)


async def _watch(heard: list[float], idle: float, patience: trio.CancelScope) -> None:
    while (left := heard[0] + idle - trio.current_time()) > 0:
        await trio.sleep(left)
    patience.cancel()
