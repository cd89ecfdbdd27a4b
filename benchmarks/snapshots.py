"""What snapshots cost, against git and against reading and hashing the same files, in one run.

Both are measured as their commands are used: each step is a process or two, from
its start to its end. Git runs with its defaults, so it syncs less than aexl does: its
loose objects may be lost in a power cut. What a pipeline pays is measured in the
process: ``capture``, as the role ``Snapshots`` has it.

The last full run, two quiet cores, on a disk; medians of five rounds of the smaller
tree, in which both programs take turns in being first:

    ====================  ==============================  ==============================
    aexl s / git s        10,000 files, 43 MB             64 files, 1 GB
    ====================  ==============================  ==============================
    commit                 1.16 / 5.09  (0.23)             5.27 / 23.7  (0.22)
    unchanged commit       0.29 / 0.02  (13)               0.16 / 0.01  (20)
    push to a directory    0.32 / 4.01  (0.08)             2.14 / 162   (0.01)
    clone                  2.95 / 3.48  (0.85)             5.58 / 15.4  (0.36)
    check                  0.39 / 0.53  (0.75)             2.46 / 4.60  (0.54)
    ====================  ==============================  ==============================

A clone of 10,000 files is mostly the file system's work, and single rounds were 0.64 to
1.15 times git's: a run before it, with one round of each, had 3.52 / 2.08. In memory,
where little is left of that, it was 0.69 / 0.95, seven rounds; with 43 MB that cannot
be compressed, 0.67 / 0.54 there: git has less to do then, and aexl as much. With three
to five other programs on the two cores, 0.66 to 0.96 times git's processor time.

The unchanged commit is not ahead of git and will not be: git is done with it in 20 to
30 ms, of which the interpreter alone takes 12 before it has read a line of ours.
``docs/explanation/snapshot-performance.md`` says where the rest goes. Capture: 2.4 to
3.5 times read+sha256 (median 2.9), the second one a fifth to a quarter of the first.

    python benchmarks/snapshots.py            10,000 files and 1 GB, some minutes
    python benchmarks/snapshots.py --quick    a hundredth of it, to see that it runs
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import claims
import trio

from aexl.api import Upstream
from aexl.testing.plane import PlaneRoutes, loopback
from aexl_snapshots.disk.directory import Directory
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.repository import Repository
from aexl_snapshots.service import SnapshotService
from aexl_snapshots.stores.folder import FolderStore
from aexl_snapshots.stores.plane import PlaneStore
from aexl_snapshots.sync.push import push

STEPS = ("commit", "second commit, unchanged", "push to a directory", "clone", "check of every byte")


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder to measure with, so many times; both programs take turns in being first."""

    name: str
    files: int
    size: int
    text: float
    rounds: int


TREES = (Tree("10,000 files, 43 MB", 10_000, 4_300, 1.0, 5), Tree("64 files, 1 GB", 64, 16 * 1024 * 1024, 0.5, 1))


def make_tree(folder: Path, tree: Tree, scale: float) -> int:
    """Write files, the same each time; return their bytes."""
    seed = random.Random(1)
    words = [seed.randbytes(seed.randrange(1, 6)).hex() for _ in range(4000)]
    total = 0
    for number in range(max(10, int(tree.files * scale))):
        size = max(1000, int(tree.size * (scale if tree.files < 1000 else 1)))
        if seed.random() < tree.text:
            block = " ".join(seed.choices(words, k=min(size // 6, 40_000))).encode()
            data = (block * (size // len(block) + 1))[:size] if size > len(block) else block
            data = b"%d " % number + data
        else:
            data = seed.randbytes(size)
        path = folder / f"d{number % 100}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        total += len(data)
    return total


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def read_and_hash(folder: Path) -> None:
    """Read every file and hash it."""
    for path in sorted(folder.rglob("*.txt")):
        hashlib.sha256(path.read_bytes()).hexdigest()


class Program:
    """Runs commands with an environment of its own.

    Python keeps what it has compiled, as it does for an installed program.

    Args:
        home: For both programs' configuration.
    """

    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._env = {**kept, "HOME": str(home), "AEXL_HOME": str(home / "aexl"), "GIT_CONFIG_NOSYSTEM": "1"}

    def __call__(self, folder: Path, *commands: Sequence[str]) -> float:
        """Run commands one after the other; return their seconds. What was written before is on the disk by then."""
        os.sync()
        seconds = self._timed(folder, commands)
        sys.stderr.write(f"{seconds:8.2f} s  {' && '.join(' '.join(command[-4:]) for command in commands)}\n")
        return seconds

    def _timed(self, folder: Path, commands: Sequence[Sequence[str]]) -> float:
        return timed(lambda: [self._run(folder, command) for command in commands])

    def _run(self, folder: Path, command: Sequence[str]) -> None:
        ran = subprocess.run(command, cwd=folder, env=self._env, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise SystemExit(f"{' '.join(command)}: {ran.stderr or ran.stdout}")


def measure_aexl(run: Program, folder: Path) -> list[float]:
    """Return the seconds of each step."""
    aexl = [str(Path(sys.executable).with_name("aexl")), "snapshot"]
    run(folder, [*aexl, "init"])
    seconds = [run(folder, [*aexl, "add", "."], [*aexl, "commit", "-m", "one"])]
    seconds.append(run(folder, [*aexl, "commit", "-a", "-m", "two", "--allow-empty"]))
    store = folder.with_name("aexl-store")
    run(folder, [*aexl, "remote", "add", "origin", str(store)])
    seconds.append(run(folder, [*aexl, "push"]))
    seconds.append(run(folder.parent, [*aexl, "clone", store.as_uri(), "aexl-clone"]))
    seconds.append(run(folder, [*aexl, "check", "--read-data"]))
    return seconds


def measure_git(run: Program, folder: Path) -> list[float]:
    """Return the seconds of each step."""
    options = ["-c", "gc.auto=0", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    git = ["git", *options]
    run(folder, [*git, "init", "-q"])
    seconds = [run(folder, [*git, "add", "-A"], [*git, "commit", "-q", "-m", "one"])]
    seconds.append(run(folder, [*git, "commit", "-q", "-a", "-m", "two", "--allow-empty"]))
    store = folder.with_name("git-store")
    run(folder.parent, [*git, "init", "-q", "--bare", str(store)])
    seconds.append(run(folder, [*git, "push", "-q", str(store), "HEAD:refs/heads/main"]))
    seconds.append(run(folder.parent, [*git, "clone", "-q", "-b", "main", store.as_uri(), "git-clone"]))
    seconds.append(run(folder, [*git, "fsck", "--full"]))
    return seconds


async def measure_captures(home: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds of the first capture of a folder and of the next one."""
    service = SnapshotService(home)
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        await service.capture(str(folder), "measured")
        times.append(time.perf_counter() - begin)
    return times[0], times[1]


async def measure_http(folder: Path, files: int) -> float:
    """Return the seconds of pushing small files over loopback HTTP to a store in a folder."""
    from aexl.core.http.transport import make_transport

    repository = Repository.init(folder / "pushed")
    seed = random.Random(2)
    with repository.writer() as writer:
        contents = [seed.randbytes(200).hex().encode() for _ in range(files)]
        manifest = Manifest(Entry(f"f{n}", "file", len(data), writer.put(data)) for n, data in enumerate(contents))
    snapshot = repository.write_snapshot(manifest, Snapshot(manifest=manifest.id))
    transport = make_transport(Upstream(private=True))
    async with loopback(PlaneRoutes(FolderStore(Directory(folder / "plane")))) as url:
        begin = time.perf_counter()
        await push(repository, PlaneStore(transport, f"{url}/store", None), url, snapshot)
        seconds = time.perf_counter() - begin
        await transport.aclose()
    return seconds


@dataclass(frozen=True, slots=True)
class Row:
    """One step on one tree. Seconds."""

    tree: str
    step: str
    aexl: float
    git: float
    plain: float


def measure_rounds(place: Path, source: Path, rounds: int) -> list[tuple[float, float]]:
    """Return the median seconds of each step, of aexl and of git; each round works on copies of its own."""
    seconds: dict[str, list[list[float]]] = {"aexl": [], "git": []}
    measures = {"aexl": measure_aexl, "git": measure_git}
    for number in range(rounds):
        turn = place / f"round{number}"
        run = Program(turn)
        for who in sorted(measures, reverse=bool(number % 2)):
            shutil.copytree(source, turn / who)
            seconds[who].append(measures[who](run, turn / who))
        shutil.rmtree(turn)
    ours, theirs = ([statistics.median(step) for step in zip(*seconds[who], strict=True)] for who in measures)
    return list(zip(ours, theirs, strict=True))


def measure(scale: float, folder: Path) -> tuple[list[Row], list[claims.Claim]]:
    """Measure everything; return the rows and what was promised."""
    rows: list[Row] = []
    promised: list[claims.Claim] = []
    for number, tree in enumerate(TREES):
        place = folder / str(number)
        source = place / "source"
        make_tree(source, tree, scale)
        os.sync()
        plain = min(timed(lambda source=source: read_and_hash(source)) for _ in range(3))
        if number == 0:
            first, second = trio.run(measure_captures, place / "home", source)
            promised += [
                claims.Claim(
                    name="capture of 10,000 files", unit="x read+sha256", value=first / plain, floor=4, goal=2.5
                ),
                claims.Claim(
                    name="second capture, unchanged", unit="x the first", value=second / first, floor=0.5, goal=0.5
                ),
            ]
        pairs = zip(STEPS, measure_rounds(place, source, tree.rounds), strict=True)
        rows += [Row(tree.name, step, ours, git, plain) for step, (ours, git) in pairs]
        shutil.rmtree(place)
    http = trio.run(measure_http, folder, max(20, int(2000 * scale)))
    promised.append(claims.Claim(name="push of 2,000 small files over HTTP", unit="s", value=http, floor=3, goal=1))
    return rows, promised


def show(rows: Sequence[Row], promised: Sequence[claims.Claim]) -> str:
    """Return the tables for people."""
    columns = ("tree", "step", "aexl s", "git s", "aexl/git", "x read+sha256")
    cells = [
        (row.tree, row.step, *map(claims.number, (row.aexl, row.git, row.aexl / row.git, row.aexl / row.plain)))
        for row in rows
    ]
    plain = {row.tree: row.plain for row in rows}
    return "\n".join(
        [
            *(f"read and sha256 of {tree}: {seconds:.2f} s" for tree, seconds in plain.items()),
            "",
            claims.table(columns, cells, left=2),
            "",
            claims.table(claims.COLUMNS, [claim.row for claim in promised], left=2),
        ]
    )


def as_json(rows: Sequence[Row], promised: Sequence[claims.Claim]) -> Mapping[str, object]:
    """Return the same for programs."""
    return {
        "rows": [
            {"tree": row.tree, "step": row.step, "aexl": row.aexl, "git": row.git, "plain": row.plain} for row in rows
        ],
        "claims": [{"name": claim.name, "value": claim.value, "floor": claim.keeps(claim.floor)} for claim in promised],
    }


def main() -> int:
    """Measure, print, and end with 1 where a floor was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work; says nothing about speed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # gigabytes are not left behind
    folder = Path(tempfile.mkdtemp(prefix="aexl-snapshots-", dir=options.folder))
    try:
        rows, promised = measure(0.01 if options.quick else 1.0, folder)
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    if options.json:
        json.dump(as_json(rows, promised), sys.stdout, indent=2)
    else:
        sys.stdout.write(show(rows, promised) + "\n")
    kept = all(claim.keeps(claim.floor) == "yes" for claim in promised)
    return 0 if kept or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
