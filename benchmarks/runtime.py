"""What running a handler costs: from nothing, in a worker that is kept, and in the runner that projects were written for.

Every row is one invocation of a tool that joins words, by one caller and by 16 at once, against ``python -c pass``
measured in turn with it. The other runner is installed from the package index into a folder of its own; without an
index its rows are left out.

The last full run, two cores, other work beside it: ``python -c pass`` 17 ms; from nothing 4.8 times that (the other
runner 13.5 to 14.2 times), in a kept worker 0.16 times by a fork and 0.02 times without one; sixteen at once 82 to
95 ms each from nothing, 13 ms each in kept workers. Earlier runs of the same day, at loads up to 23, gave 5.4 to 8.0
times from nothing.

    python benchmarks/runtime.py            two minutes
    python benchmarks/runtime.py --quick    a tenth of it, to see that it runs
    python benchmarks/runtime.py --without-others
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import claims
import trio

from aexl_runtime.pool.pool import Pool
from aexl_runtime.protocol.exchange import Task
from aexl_runtime.protocol.requests import request_of
from aexl_runtime.sandbox.ports import Policy
from aexl_runtime.settings import WorkersConfig

ROUNDS = 15
MANY = 16
OTHERS = Path(__file__).parents[1] / "build" / "benchmarks" / "aiel"
PINNED = ("aiel-runtime==0.5.3", "aiel-sdk==1.8.0")

TOOLS = """from aiel_sdk import tool


@tool("slugify")
def slugify(ctx, payload):
    return {"slug": "-".join(payload["title"].lower().split())}


def aiel_handler(event, context):
    return event
"""

INVOKE = {"action": "invoke", "kind": "tool", "handler": "slugify", "event": {"title": "A B"}}
REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "describe": {"action": "describe"},
    "invoke": INVOKE,
    "execute": {"action": "execute", "event": {"a": 1}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        one: Median milliseconds of one invocation, one caller.
        many: Milliseconds for each of those that 16 callers made at once: the whole time, divided.
    """

    name: str
    one: float
    many: float | None = None


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def program(words: Sequence[str], request: Mapping[str, Any], environ: Mapping[str, str]) -> Callable[[], object]:
    """Return what runs a program once, and sees that it has answered."""

    def run() -> None:
        data = json.dumps(request).encode()
        done = subprocess.run(words, input=data, env=environ, capture_output=True, check=False)
        if not json.loads(done.stdout)["ok"]:
            raise RuntimeError(done.stdout.decode() + done.stderr.decode())

    return run


def measure_programs(works: Mapping[str, Callable[[], object]], rounds: int) -> Iterator[Row]:
    """Measure programs in turn, so that what else the machine does meets all alike."""
    for work in works.values():
        work()  # what is cached is cached
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(timed(work))
    for name, work in works.items():
        with ThreadPoolExecutor(MANY) as pool:
            whole = timed(lambda work=work, pool=pool: list(pool.map(lambda _: work(), range(MANY))))
        yield Row(name=name, one=statistics.median(taken[name]), many=whole / MANY)


async def no_model(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"error": {"message": str(body), "status": 503, "code": "no_server"}}


async def measure_pool(root: Path, rounds: int) -> list[Row]:
    """Measure kept workers, without a server around them."""
    rows = []
    for mode in ("fork", "reuse"):
        pool = Pool(WorkersConfig(mode=mode), Policy(), None)  # type: ignore[arg-type]  # one of its words

        async def one(pool: Pool = pool) -> None:
            task = Task(request=request_of(INVOKE), root=str(root), snapshot_id=None, compat=True)
            answer = await pool.run(task, no_model)
            if answer.failure is not None:
                raise RuntimeError(answer.failure.message)

        async with pool.running():
            await one()
            taken = []
            for _ in range(rounds * 10):
                begun = time.perf_counter()
                await one()
                taken.append((time.perf_counter() - begun) * 1000)
            async with trio.open_nursery() as nursery:  # until all workers are there
                for _ in range(MANY):
                    nursery.start_soon(one)
            begun = time.perf_counter()
            async with trio.open_nursery() as nursery:
                for _ in range(MANY):
                    nursery.start_soon(one)
            whole = (time.perf_counter() - begun) * 1000
        rows.append(Row(name=f"kept worker, {mode}", one=statistics.median(taken), many=whole / MANY))
    return rows


def find_others() -> Path | None:
    """Return the Python that has the other runner, installed if it was not; ``None`` where that cannot be done."""
    python = OTHERS / "bin" / "python"
    if not python.exists():
        venv.create(OTHERS, with_pip=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", *PINNED], capture_output=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(OTHERS)
            return None
    return python


def measure(folder: Path, rounds: int, *, others: bool) -> list[Row]:
    root = folder / "project"
    root.mkdir()
    (root / "entry_point.py").write_text(TOOLS)
    home = folder / "home"
    home.mkdir(mode=0o700)
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "AEXL_HOME": str(home), "LANG": "C.UTF-8"}
    works: dict[str, Callable[[], object]] = {
        "python -c pass": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)
    }
    for name, request in REQUESTS.items():
        words = [sys.executable, "-m", "aexl_runtime.runner", "--aiel-compat", "--files-root", str(root)]
        works[f"runner, {name}"] = program(words, request, environ)
    command = [sys.executable, "-P", "-m", "aexl", "runtime", "invoke", str(root)]
    works["aexl runtime invoke"] = program(command, INVOKE, {**environ, "AEXL_RUNTIME_AIEL_COMPAT": "true"})
    other = find_others() if others else None
    if other is not None:
        for name, request in REQUESTS.items():
            words = [str(other), "-m", "aiel_runtime.runner", "--files-root", str(root)]
            works[f"aiel-runtime, {name}"] = program(words, request, environ)
    rows = list(measure_programs(works, rounds))
    return rows + trio.run(measure_pool, root, rounds)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="What running a handler costs.")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--without-others", action="store_true", help="do not install and measure the other runner")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aexl-bench-"))
    folder.chmod(0o755)
    try:
        rows = measure(folder, 2 if given.quick else ROUNDS, others=not given.without_others)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    python = rows[0].one
    found = {row.name: row.one / python for row in rows}
    promises = [
        claims.Claim(
            name="a warm invocation", unit="x python -c pass", value=found["kept worker, fork"], floor=2, goal=0.5
        ),
        claims.Claim(
            name="a cold invocation", unit="x python -c pass", value=found["runner, invoke"], floor=10, goal=6
        ),
    ]
    if given.as_json:
        report = {"rows": [asdict(row) for row in rows], "claims": [asdict(claim) for claim in promises]}
        print(json.dumps(report, indent=2))
        return
    cells = [
        (row.name, f"{row.one:.2f}", f"{row.one / python:.2f}", "" if row.many is None else f"{row.many:.2f}")
        for row in rows
    ]
    print(claims.table(("one invocation", "ms", "x python -c pass", "ms each, 16 at once"), cells, left=1))
    print()
    print(claims.table(claims.COLUMNS, [claim.row for claim in promises], left=2))


if __name__ == "__main__":
    main()
