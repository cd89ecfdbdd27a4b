"""The process is killed under load: nothing that was acknowledged is lost, nothing is settled twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
import trio

from aexl_ledger.book import Ledger
from aexl_ledger.options import LedgerOptions
from aexl_ledger.verify import verify

CHILD = """
import sys, os, trio
from pathlib import Path
from aexl.api import NewAgent
from aexl.errors import Conflict
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal
from aexl_ledger.book import Ledger
from aexl_ledger.options import LedgerOptions
from aexl_ledger.roles import LedgerAccounts

async def main():
    ledger = Ledger(Path(sys.argv[1]), LedgerOptions(low_water=0, ballast=0))
    plan, outcome = make_plan(), make_outcome()
    async with ledger.running():
        accounts = LedgerAccounts(ledger)
        for name, parent in (("team", None), ("alice", "team")):
            try:
                await accounts.create(NewAgent(name=name, budget=None, daily=2**50, parent=parent))
            except Conflict:
                pass
        call = make_call()
        async def client():
            while True:
                hold = await ledger.reserve(call, plan)
                os.write(1, b"r %s\\n" % hold.execution.encode())
                await ledger.settle(hold, outcome, None)
                os.write(1, b"s %s\\n" % hold.execution.encode())
        os.write(1, b"ready\\n")
        async with trio.open_nursery() as nursery:
            for _ in range(32):
                nursery.start_soon(client)

trio.run(main)
"""


def kill_under_load(path: Path, milliseconds: float) -> tuple[set[str], set[str]]:
    """Run the child, kill it, and return what it said was reserved and settled."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    ready = child.stdout.readline()
    assert ready == b"ready\n"
    # The moment is counted in what the child says, not in time, so that a busy machine changes nothing.
    lines = [child.stdout.readline() for _ in range(round(milliseconds))]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    child.wait()
    said = [line.split() for line in lines if line.endswith(b"\n")]
    return (
        {execution.decode() for kind, execution in said if kind == b"r"},
        {execution.decode() for kind, execution in said if kind == b"s"},
    )


async def recover(path: Path) -> None:
    async with Ledger(path, LedgerOptions(low_water=0, ballast=0)).running():
        pass


def killed_and_sound(path: Path, times: int, seed: int) -> None:
    chance = random.Random(seed)
    reserved: set[str] = set()
    settled: set[str] = set()
    for _ in range(times):
        more_reserved, more_settled = kill_under_load(path, chance.randint(1, 400))
        reserved |= more_reserved
        settled |= more_settled
        trio.run(recover, path)
    verdict = verify(path)
    assert verdict.ok, verdict.detail
    connection = apsw.Connection(str(path))
    stored = dict(connection.execute("SELECT id, state FROM executions"))
    estimated = {
        row[0]
        for row in connection.execute(
            "SELECT subject FROM events WHERE kind = 'execution.committed' AND body ->> '$.data.reason' = 'recovered'"
        )
    }
    ends = connection.execute("SELECT count(*), count(DISTINCT subject) FROM events WHERE kind = 'execution.committed'")
    assert ends.fetchone() == (len(stored), len(stored))
    assert connection.execute("SELECT sum(reserved) FROM agents").fetchone() == (0,)
    connection.close()
    assert reserved <= set(stored)
    assert set(stored.values()) == {"committed"}
    assert not settled & estimated, "what was acknowledged as settled is not settled again"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.sampled(3)
def test_killed_under_load_it_is_sound_afterwards(tmp_path, seed):
    killed_and_sound(tmp_path / "ledger.db", 1, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_killed_two_hundred_times(tmp_path, seed):
    killed_and_sound(tmp_path / "ledger.db", 10, 1000 + seed)


HOLDER = """
import sys, trio
from pathlib import Path
from aexl_ledger.book import Ledger
from aexl_ledger.options import LedgerOptions

async def main():
    async with Ledger(Path(sys.argv[1]), LedgerOptions(low_water=0, ballast=0)).running():
        print("ready", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)

trio.run(main)
"""


@pytest.mark.slow
def test_a_second_process_is_told_who_has_the_ledger(tmp_path):
    path = tmp_path / "ledger.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        second = subprocess.run(
            [sys.executable, "-c", HOLDER, str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert f"the process {child.pid} has the ledger" in second.stderr
        assert "use the running server" in second.stderr
        child.kill()
    started = time.monotonic()
    trio.run(recover, path)
    assert time.monotonic() - started < 5, "a killed owner's lock is gone with it"
