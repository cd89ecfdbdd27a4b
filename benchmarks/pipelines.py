"""What pipelines cost: for now, reading a file of a thousand steps.

The ratio is to the YAML library's own events of the same text: what the tree,
the types, every check and every name cost on top of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.language.loading import load_source
from aexl_pipelines.language.source import Source

STEPS = 1_000
ROUNDS = 5

STEP = """\
  - id: s{number}
    prompt: "Do {{{{ last_response }}}} after {{{{ step.s{before}.response }}}}"
    model: small
    condition: "{{{{ step.s{before}.response }}}} contains 'x'"
    on_result:
      - contains: STOP
        action: break
"""


def write_pipeline(steps: int) -> str:
    """Return a file of so many steps, each naming the one before it."""
    first = "version: '1'\npipeline:\n  - id: s0\n    prompt: begin\n"
    return first + "".join(STEP.format(number=number, before=number - 1) for number in range(1, steps))


def measure(work: Callable[[], object]) -> float:
    """Return the median seconds of some work."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    """Print the line."""
    text = write_pipeline(STEPS)
    files = DiskFiles(Path.cwd(), Path.home())

    def load() -> None:
        loaded = load_source(Source("big.yaml", text, Path.cwd()), files)
        assert not loaded.problems, loaded.problems[:3]

    events = measure(lambda: list(YAML(typ="safe", pure=True).parse(text)))
    whole = measure(load)
    print(
        f"load of {STEPS} steps ({len(text) // 1024} KiB): {whole * 1000:.0f} ms, {whole / events:.1f} x its YAML events"
    )


if __name__ == "__main__":
    main()
