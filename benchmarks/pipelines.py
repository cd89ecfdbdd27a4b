"""What pipelines cost beside the agents: each step, the way to the first one, branches, and reading a large file.

Runs are runs of the installed command, in a scratch home, in a project of some hundred files; agents are the runner
``stub``, which answers at once. A step is what a journal, two snapshots of the files and their comparison cost on top,
and with a server a token of its own; it is the difference between many steps and one.

The last full run, two quiet cores, on a disk:

    ======================  ======  ===============
    run                     s       ms for one more
    ======================  ======  ===============
    start to first step     0.57
    200 steps               2.06    6.7
    200 lines of shell      3.18    12.4
    50 branches that read   0.79    1.4
    50 branches that write  8.62    161
    200 steps, governed     3.70    15.5
    ======================  ======  ===============

With a load of ten it was 11.6, 29.0 and 30.4 ms for a step, a line of shell and a governed step. Processor time is
steadier, of the command alone: 4.7 ms for a step, 12.7 for a line of shell, 6.6 for a governed step, 30 for a branch
that writes, of which two fifths are its copy of the 300 files, most of that in creating them. A governed step asks the
server three times: for a token, for its end, and for what was booked.

    python benchmarks/pipelines.py            a minute
    python benchmarks/pipelines.py --quick    a tenth of it, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import claims
from ruamel.yaml import YAML

from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.language.loading import load_source
from aexl_pipelines.language.source import Source

AEXL = Path(sys.executable).with_name("aexl")
FILES = 300
ROUNDS = 3

STEP = """\
  - id: s{number}
    prompt: "Do {{{{ last_response }}}} after {{{{ step.s{before}.response }}}}"
    model: small
    condition: "{{{{ step.s{before}.response }}}} contains 'x'"
    on_result:
      - contains: STOP
        action: break
"""

HEAD = "version: '1'\ndefaults: {runner: stub}\npipeline:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement; ``seconds`` of the whole command, ``each`` of one step more, in milliseconds."""

    name: str
    seconds: float
    each: float | None = None


class Project:
    """A folder with files, a home beside it, and the command."""

    def __init__(self, folder: Path, files: int) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self.folder.mkdir(parents=True)
        self.home.mkdir(mode=0o700)
        for number in range(files):
            path = self.folder / f"d{number % 20}" / f"f{number}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"value = {number}\n" * 40)
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "AEXL_HOME": str(self.home), "LANG": "C.UTF-8"}

    def write(self, steps: str) -> None:
        (self.folder / ".aexl.yaml").write_text(HEAD + steps)

    def run(self) -> tuple[float, float]:
        """Run the pipeline; return the seconds to its first step, and to its end."""
        begun = time.perf_counter()
        with subprocess.Popen(
            [AEXL, "pipeline", "run", "--json"],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            first = 0.0
            last = ""
            for line in process.stdout:
                last = line
                if not first and '"step_begun"' in line:
                    first = time.perf_counter() - begun
            if process.wait() != 0:
                raise RuntimeError(f"the pipeline failed: {last}{process.stderr.read()}")
        return first, time.perf_counter() - begun

    def median(self, steps: str, rounds: int) -> tuple[float, float]:
        """Return the medians of some runs."""
        self.write(steps)
        taken = [self.run() for _ in range(rounds)]
        return statistics.median(first for first, _ in taken), statistics.median(end for _, end in taken)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Have a server beside the block, and an agent that pays."""
        (self.home / "aexl.toml").write_text("[serve]\nport = 0\n[catalog]\nauto = false\n")
        command = [AEXL, "serve", "--port", "0"]
        with subprocess.Popen(
            command, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as server:
            assert server.stdout is not None
            try:
                if not any(re.search(r"serves http", line) for line in server.stdout):
                    raise RuntimeError("the server did not start")
                subprocess.run(
                    [AEXL, "agent", "create", "bench", "5"], env=self.environ, check=True, capture_output=True
                )
                yield
            finally:
                server.send_signal(signal.SIGKILL)


def prompts(count: int) -> str:
    """Return so many steps that ask an agent, one after the other."""
    return "".join(f"  - {{id: s{number}, prompt: do it}}\n" for number in range(count))


def shells(count: int) -> str:
    """Return so many lines of shell."""
    return "".join(f"  - {{id: s{number}, context: {{shell: 'true'}}}}\n" for number in range(count))


def branches(count: int, tools: str = "") -> str:
    """Return so many agents at the same time, and their join."""
    names = [f"b{number}" for number in range(count)]
    listed = "".join(f"  - {{id: {name}, async: true, prompt: do it{tools}}}\n" for name in names)
    return f"{listed}  - {{id: all, action: join, depends_on: [{', '.join(names)}]}}\n"


def write_pipeline(steps: int) -> str:
    """Return a file of so many steps, each naming the one before it."""
    first = "version: '1'\npipeline:\n  - id: s0\n    prompt: begin\n"
    return first + "".join(STEP.format(number=number, before=number - 1) for number in range(1, steps))


def measure(work: Callable[[], object], rounds: int = 5) -> float:
    """Return the median seconds of some work."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def measure_reading(steps: int) -> tuple[float, float]:
    """Return the seconds that a file of so many steps takes, and how many times its YAML events' that is."""
    text = write_pipeline(steps)
    files = DiskFiles(Path.cwd(), Path.home())

    def load() -> None:
        loaded = load_source(Source("big.yaml", text, Path.cwd()), files)
        assert not loaded.problems, loaded.problems[:3]

    events = measure(lambda: list(YAML(typ="safe", pure=True).parse(text)))
    whole = measure(load)
    return whole, whole / events


def measure_runs(project: Project, scale: float) -> Iterator[Row]:
    """Yield what runs take."""
    rounds = ROUNDS if scale == 1 else 1
    many, wide = max(5, int(200 * scale)), max(5, int(50 * scale))
    first, one = project.median(prompts(1), rounds)
    yield Row(name="start to first step", seconds=first)
    yield Row(name="one step", seconds=one)
    for name, steps, count in (
        (f"{many} steps", prompts(many), many),
        (f"{many} lines of shell", shells(many), many),
        (f"{wide} branches that read", branches(wide, ", tools: {disabled: true}"), wide),
        (f"{wide} branches that write", branches(wide), wide),
    ):
        _, end = project.median(steps, rounds)
        yield Row(name=name, seconds=end, each=(end - one) / (count - 1) * 1000)
    with project.served():
        _, one = project.median(prompts(1), rounds)
        yield Row(name="one step, governed", seconds=one)
        _, end = project.median(prompts(many), rounds)
        yield Row(name=f"{many} steps, governed", seconds=end, each=(end - one) / (many - 1) * 1000)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="What pipelines cost beside the agents.")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    scale = 0.1 if given.quick else 1.0
    folder = Path(tempfile.mkdtemp(prefix="aexl-bench-"))
    try:
        project = Project(folder, int(FILES * scale))
        python = measure(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
        rows = list(measure_runs(project, scale))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    reading, ratio = measure_reading(int(1000 * scale))
    per_step = {row.name: row.each for row in rows}
    promises = [
        claims.Claim(name=f"a step, agent excluded ({name})", unit="ms", value=value, floor=30, goal=10)
        for name, value in per_step.items()
        if value is not None and "branches" not in name
    ]
    if given.as_json:
        report = {
            "rows": [asdict(row) for row in rows],
            "python": python,
            "reading": {"steps": int(1000 * scale), "seconds": reading, "ratio": ratio},
            "claims": [asdict(claim) for claim in promises],
        }
        print(json.dumps(report, indent=2))
        return
    cells = [
        (row.name, f"{row.seconds:.3f}", f"{row.seconds / python:.1f}", "" if row.each is None else f"{row.each:.1f}")
        for row in rows
    ]
    print(claims.table(("run", "s", "x python -c pass", "ms for one more"), cells, left=1))
    print()
    print(f"load of {int(1000 * scale)} steps: {reading * 1000:.0f} ms, {ratio:.1f} x its YAML events")
    print()
    print(claims.table(claims.COLUMNS, [claim.row for claim in promises], left=2))


if __name__ == "__main__":
    main()
