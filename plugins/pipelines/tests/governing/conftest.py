"""A home with agents, and runs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from aexl.api import Accounts, Bill, Executions, Journal, Receipt
from aexl.testing.accounts import FakeAccounts
from aexl.testing.host import FakeHost
from aexl_pipelines.governing.governor import LedgerGovernor
from aexl_pipelines.journal.records import RunBegun, RunOptions, StepLink

URL = "http://127.0.0.1:9000"


class FakeBills:
    """What the ledger has booked, by agent, run and step.

    Attributes:
        running: How many further looks find a call that is not settled.
    """

    def __init__(self) -> None:
        self.booked: list[tuple[str, dict[str, str], int]] = []
        self.running = 0

    def book(self, agent: str, run: str, step: str, cost: int) -> None:
        self.booked.append((agent, {"run": run, "step": step}, cost))

    async def bill(self, agents: Sequence[str], labels: Mapping[str, str]) -> Bill:
        self.running -= 1
        costs = [cost for agent, had, cost in self.booked if agent in agents and labels.items() <= had.items()]
        return Bill(calls=len(costs), running=max(0, self.running), cost=sum(costs))


class FakeJournal:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, Mapping[str, str | int]]] = []

    async def append(self, kind: str, subject: str, data: Mapping[str, str | int]) -> Receipt:
        self.events.append((kind, subject, data))
        return Receipt(seq=len(self.events), hash="00")


@pytest.fixture
def accounts() -> FakeAccounts:
    return FakeAccounts("alice")


@pytest.fixture
def bills() -> FakeBills:
    return FakeBills()


@pytest.fixture
def ledger() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def host(tmp_path: Path, accounts: FakeAccounts, bills: FakeBills, ledger: FakeJournal) -> FakeHost:
    made = FakeHost(tmp_path)
    made.services = {Accounts: accounts, Executions: bills, Journal: ledger}
    for run in ("r1", "r2", "r3"):
        (tmp_path / "runs" / run).mkdir(parents=True)
    return made


@pytest.fixture
def governor(host: FakeHost) -> LedgerGovernor:
    """A governor of a process that drives nothing else."""
    return LedgerGovernor(host, url=URL + "/", agent=None, is_driven=lambda _: False)


def begin(run: str = "r1", parent: str | None = None, step: str = "call", **options: object) -> RunBegun:
    link = None if parent is None else StepLink(run=parent, step=step)
    made = RunOptions(**options)  # type: ignore[arg-type]  # a test's own words
    return RunBegun(at=1.0, run=run, project="/work", file=".aexl.yaml", parent=link, options=made)


@pytest.fixture(name="begin")
def begin_fixture() -> object:
    return begin
