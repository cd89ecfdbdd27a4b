"""A process that runs, or goes on with, a pipeline, and kills itself after a given record. Not a test.

``driver.py HOME PROJECT NAME [KILL_AFTER]``: the run's name is ``NAME``; one that is there goes on.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import trio

from aexl.testing.host import FakeHost
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.execution.ports import ClosedGates, KnownAgents, Ports
from aexl_pipelines.execution.requests import RunRequest, RunResult
from aexl_pipelines.execution.running import resume_run, run_pipeline
from aexl_pipelines.journal.records import Progress, Record, RunOptions
from aexl_pipelines.language.loading import Loaded, load_file
from aexl_pipelines.language.reader import Recorder
from aexl_pipelines.runners.table import runners


class Killer:
    """Kills this process when so many records are durable."""

    def __init__(self, after: int | None) -> None:
        self._left = after

    def see(self, run: str, seen: Record | Progress) -> None:
        if isinstance(seen, Progress) or self._left is None:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(home: Path, project: Path, name: str, kill_after: int | None) -> RunResult:
    def load(path: Path, known: dict[str, str] | None = None) -> Loaded:
        files = DiskFiles(project, project)
        return load_file(path, files if known is None else Recorder(files, known))

    ports = Ports(
        agents=KnownAgents({runner.name: runner for runner in runners()}),
        observers=[Killer(kill_after)],
        gates=ClosedGates("approve"),
        load=load,
        environ=dict(os.environ),
    )
    host = FakeHost(home)
    if (home / "runs" / name / "journal.jsonl").exists():
        return await resume_run(host, name, ports)
    request = RunRequest(project=project, prompt="go", run=name, options=RunOptions(runner="stub"))
    return await run_pipeline(host, load(project / ".aexl.yaml"), request, ports)


if __name__ == "__main__":
    given = sys.argv[1:]
    result = trio.run(main, Path(given[0]), Path(given[1]), given[2], int(given[3]) if len(given) > 3 else None)
    sys.stdout.write(f"{result.status} {result.response}\n")
    sys.exit(result.exit_code)
