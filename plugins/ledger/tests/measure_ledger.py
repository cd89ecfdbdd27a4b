"""Measures the book: ``python plugins/ledger/tests/measure_ledger.py [FOLDER]``. Not a test."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import trio

from aexl.api import NewAgent
from aexl.testing.factories import make_call, make_outcome, make_plan
from aexl_ledger.book import Ledger
from aexl_ledger.options import LedgerOptions
from aexl_ledger.roles import LedgerAccounts
from aexl_ledger.verify import verify


async def measure(folder: Path, callers: int, calls: int) -> str:
    """Reserve and settle ``calls`` times; return the line to print."""
    ledger = Ledger(folder / "ledger.db", LedgerOptions(low_water=0, ballast=0))
    call, plan, outcome = make_call(), make_plan(), make_outcome()
    async with ledger.running():
        await LedgerAccounts(ledger).create(NewAgent(name="alice", budget=10**15))

        async def client() -> None:
            for _ in range(calls // callers):
                hold = await ledger.reserve(call, plan)
                await ledger.settle(hold, outcome, None)
                ledger.delivered(hold.execution, True)

        started, cpu = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(client)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        batches = ledger.metrics.commit.count
    verdict = verify(folder / "ledger.db")
    assert verdict.ok, verdict.detail
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{callers:>3} callers: {calls / wall:>8,.0f} calls/s, {cpu / calls * 1e6:>6.1f} us of CPU a call, "
        f"{batches / calls:.3f} fsyncs a call; verify {verdict.events / verdict.seconds:>9,.0f} events/s; {memory:.0f} MB"
    )


def main() -> None:
    place = sys.argv[1] if len(sys.argv) > 1 else None
    for callers, calls in ((1, 2_000), (16, 20_000), (64, 40_000)):
        with tempfile.TemporaryDirectory(dir=place) as folder:
            sys.stdout.write(trio.run(measure, Path(folder), callers, calls) + "\n")


if __name__ == "__main__":
    main()
