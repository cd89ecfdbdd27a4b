"""What durability costs: the price of one flush on this disk, and how many a server makes."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import servers


def time_flush(folder: Path, rounds: int = 40) -> float:
    """Return the median seconds of writing a page and flushing it, in a file that has its size, as a log has."""
    path = folder / "flush"
    times = []
    path.write_bytes(b"\0" * 4096 * rounds)
    with path.open("r+b", buffering=0) as file:
        os.fsync(file.fileno())
        for _ in range(rounds):
            begun = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    path.unlink()
    return statistics.median(times)


def count_flushes(home: Path, token: str, clients: Sequence[int], seconds: float) -> dict[int, float]:
    """Return flushes per request by number of clients, counted by ``strace``; nothing where the machine has none.

    A server of its own is started under the tracer, which lets everything but
    flushes run untouched (seccomp), so that batches are as large as without it.
    """
    strace = shutil.which("strace")
    if strace is None:
        return {}
    trace = home / "flushes"
    under = [strace, "-f", "--seccomp-bpf", "-qq", "-ttt", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    server = servers.start_aexl("traced", home, token=token, under=under)
    windows: dict[int, tuple[float, float, int]] = {}
    try:
        for number in clients:
            server.load("json", number, seconds=seconds / 4)  # opens connections, fills caches
            begun = time.time()
            result = server.load("json", number, seconds=seconds)
            windows[number] = begun, time.time(), max(result["requests"], 1)
    finally:
        server.stop()
    times = [float(moment) for moment in re.findall(r"(\d+\.\d+) f(?:data)?sync\(", trace.read_text())]
    return {
        number: sum(begun <= moment <= ended for moment in times) / requests
        for number, (begun, ended, requests) in windows.items()
    }
