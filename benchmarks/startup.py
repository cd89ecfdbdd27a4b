"""How long commands take: to the first answer of a server, to print a version, to verify a ledger."""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import servers
import traffic


def time_command(command: Sequence[str], rounds: int, home: Path | None = None) -> float:
    """Return the median seconds that a command takes."""
    environment = servers.environment(home)
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def time_version(rounds: int) -> tuple[float, float]:
    """Return the seconds of ``aexl --version`` and of ``python -c pass``."""
    pairs = [
        (time_command([servers.AEXL, "--version"], 1), time_command([sys.executable, "-c", "pass"], 1))
        for _ in range(rounds)
    ]
    return statistics.median(ours for ours, _ in pairs), statistics.median(theirs for _, theirs in pairs)


def time_first_answer(home: Path, token: str, rounds: int) -> float:
    """Return the median seconds from the command to the first answered call."""
    return statistics.median(_first_answer(home, token) for _ in range(rounds))


def _first_answer(home: Path, token: str) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    with (home / "first.log").open("wb") as log:
        process = subprocess.Popen(
            [servers.AEXL, "serve", "--port", str(port)], env=servers.environment(home), stdout=log, stderr=log
        )
    try:
        with _connect(port, process) as sock:
            sock.sendall(traffic.request("json", f"127.0.0.1:{port}", token))
            answer = sock.recv(65536)
        taken = time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(timeout=30)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"the first answer is not a good one: {answer!r}")
    return taken


def _connect(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    while process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except ConnectionRefusedError:
            time.sleep(0.002)
    raise SystemExit(f"aexl serve ended with {process.returncode} before it answered")


def time_verify(home: Path) -> tuple[int, float]:
    """Return how many events the ledger of a stopped server has, and the seconds that verifying them takes."""
    command = [servers.AEXL, "ledger", "verify"]
    begun = time.perf_counter()
    ran = subprocess.run(command, env=servers.environment(home), check=False, capture_output=True, text=True)
    taken = time.perf_counter() - begun
    found = re.search(r"([\d,]+) events", ran.stdout)
    if ran.returncode != 0 or found is None:
        raise SystemExit(f"aexl ledger verify ended with {ran.returncode}: {ran.stdout}{ran.stderr}")
    return int(found[1].replace(",", "")), taken
