"""How long commands take: from the sources, from the onedir and from the onefile (``make bench-startup``).

Prints medians of one interleaved run, as ratios to ``python -c pass`` in the same run, and the sizes.

Two cores that others used too, CPython 3.11, ext4, November 2026 (ms, and multiples of ``python -c pass``, 12.3 ms)::

             --version       --help   agent list  serve, first answer
    source   19 (1.6x)  155 (12.6x)  212 (17.1x)          373 (30.2x)
    onedir   20 (1.6x)  171 (13.9x)  234 (18.9x)          349 (28.3x)
    onefile  62 (5.1x)  419 (33.9x)  529 (42.8x)          699 (56.6x)

onefile 36.7 MB, onedir.tar.gz 36.6 MB, 78.0 MB unpacked.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import claims
import servers
import traffic

OUT: Final = servers.HERE.parent / "dist" / "out"
NOTHING: Final = "python -c pass"
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "--version": ["--version"],
    "--help": ["--help"],
    "agent list": ["agent", "list"],
}
SERVE: Final = "serve, first answer"


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


PROGRAM: Final = (servers.AEXL,)


def time_first_answer(home: Path, token: str, rounds: int) -> float:
    """Return the median seconds from the command to the first answered call."""
    return statistics.median(_first_answer(home, token) for _ in range(rounds))


def _first_answer(home: Path, token: str, program: Sequence[str] = PROGRAM) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    with (home / "first.log").open("wb") as log:
        process = subprocess.Popen(
            [*program, "serve", "--port", str(port)], env=servers.environment(home), stdout=log, stderr=log
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


Times = dict[tuple[str, str], list[float]]
"""Seconds, by program and by what it was asked to do."""


def measure(folder: Path, rounds: int) -> tuple[Times, dict[str, float]]:
    """Return the times of every program, one after the other in each round, and the sizes in MB."""
    with _unpacked(folder) as onedir, _home(folder) as (home, token):
        programs = {"source": PROGRAM, "onedir": [str(onedir / "aexl")], "onefile": [str(OUT / "aexl")]}
        times: Times = {}
        for _ in range(rounds):
            times.setdefault((NOTHING, ""), []).append(time_command([sys.executable, "-c", "pass"], 1))
            for work, arguments in COMMANDS.items():
                for name, program in programs.items():
                    times.setdefault((name, work), []).append(time_command([*program, *arguments], 1, home))
            for name, program in programs.items():
                times.setdefault((name, SERVE), []).append(_first_answer(home, token, program))
        sizes = {
            "onefile": (OUT / "aexl").stat().st_size / 1e6,
            "onedir.tar.gz": (OUT / "aexl-onedir.tar.gz").stat().st_size / 1e6,
            "onedir, unpacked": sum(path.lstat().st_size for path in onedir.rglob("*")) / 1e6,
        }
    return times, sizes


@contextmanager
def _unpacked(folder: Path) -> Iterator[Path]:
    if not (OUT / "SHA256SUMS").exists():
        raise SystemExit("there is no executable to measure: make dist")
    with tarfile.open(OUT / "aexl-onedir.tar.gz") as archive:
        archive.extractall(folder, filter="tar")
    yield folder / "aexl-onedir"


@contextmanager
def _home(folder: Path) -> Iterator[tuple[Path, str]]:
    upstream = servers.start_script("upstream", folder=folder)
    try:
        home = folder / "home"
        servers.make_home(home, upstream.url)
        yield home, servers.create_agent(home)
    finally:
        upstream.stop()


def judge(times: Times, sizes: Mapping[str, float]) -> list[claims.Claim]:
    """Return what was promised, with what was measured."""
    middle = {key: statistics.median(values) for key, values in times.items()}
    nothing = middle[NOTHING, ""]
    return [
        claims.Claim(
            name=f"{name} --version",
            unit="x python -c pass",
            value=middle[name, "--version"] / nothing,
            floor=floor,
            goal=goal,
        )
        for name, floor, goal in (("source", 4, 2), ("onedir", 3, 2), ("onefile", 12, 12))
    ] + [claims.Claim(name="size of the onefile", unit="MB", value=sizes["onefile"], floor=40, goal=40)]


def show(times: Times, sizes: Mapping[str, float]) -> str:
    """Return the tables for people."""
    middle = {key: statistics.median(values) for key, values in times.items()}
    nothing = middle[NOTHING, ""]
    rows = [
        [
            name,
            *(f"{middle[name, work] * 1000:.0f} ({middle[name, work] / nothing:.1f}x)" for work in (*COMMANDS, SERVE)),
        ]
        for name in ("source", "onedir", "onefile")
    ]
    promised = judge(times, sizes)
    return "\n".join(
        [
            f"{NOTHING}: {nothing * 1000:.1f} ms; medians of {len(times[NOTHING, ''])} rounds, in ms and as multiples of it",
            "",
            claims.table(["", *COMMANDS, SERVE], rows, left=1),
            "",
            *(f"{name}: {size:.1f} MB" for name, size in sizes.items()),
            "",
            claims.table(claims.COLUMNS, [claim.row for claim in promised], left=2),
        ]
    )


def main() -> int:
    """Measure, print, and end with 1 where a floor was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aexl-startup-") as name:
        times, sizes = measure(Path(name), options.rounds)
    if options.json:
        medians = {" ".join(key).strip(): statistics.median(values) for key, values in times.items()}
        json.dump({"seconds": medians, "megabytes": sizes}, sys.stdout, indent=2)
    else:
        sys.stdout.write(show(times, sizes) + "\n")
    return 0 if all(claim.keeps(claim.floor) == "yes" for claim in judge(times, sizes)) else 1


if __name__ == "__main__":
    sys.exit(main())
