"""The ledger against a simple model: agents in a chain, windows, holds, restarts."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from aexl.api import AgentChange, Booked, Charge, Hold, NewAgent, Plan, Receipt
from aexl.errors import Conflict, Refused
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal, make_target
from aexl_ledger.aftermath import Correct, Recover
from aexl_ledger.agents import ChangeState, CreateAgent, ListAgents, TopUp, UpdateAgent
from aexl_ledger.executions import Reserve, Settle
from aexl_ledger.options import LedgerOptions
from aexl_ledger.sqlite import SqliteDriver
from aexl_ledger.verify import verify

NAMES = ("root", "team", "alice")
AMOUNTS = st.integers(0, 60)
START = 1_773_144_000 * 1_000_000


def plan_for(hold: int) -> Plan:
    plan = make_plan(targets=(make_target(),))
    return Plan(
        targets=plan.targets, input_bound=1, output_bound=1, output_floor=1, fixed=hold, output_price=0, hold=hold
    )


class Account:
    """An agent as a child would write it down."""

    def __init__(self, budget, daily) -> None:
        self.budget = budget
        self.daily = daily
        self.spent = 0
        self.today = 0
        self.day = None
        self.reserved = 0
        self.state = "ready"

    def fits(self, hold: int, day: str) -> bool:
        today = self.today if self.day == day else 0
        total = self.budget is None or self.spent + self.reserved + hold <= self.budget
        return total and (self.daily is None or today + self.reserved + hold <= self.daily)

    def spend(self, amount: int, day: str) -> None:
        if self.day != day:
            self.day, self.today = day, 0
        self.spent += amount
        self.today = max(0, self.today + amount)


class LedgerMachine(RuleBasedStateMachine):
    holds = Bundle("holds")
    ended = Bundle("ended")

    @initialize(
        budgets=st.tuples(*[st.none() | st.integers(0, 300)] * 3),
        dailies=st.tuples(*[st.none() | st.integers(0, 150)] * 3),
    )
    def begin(self, budgets, dailies) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aexl-model-"))
        self.now = START
        self.driver = self.opened()
        self.accounts: dict[str, Account] = {}
        self.running: dict[str, tuple[str, int]] = {}
        self.booked: dict[str, tuple[Booked, str]] = {}
        parent = None
        for name, budget, daily in zip(NAMES, budgets, dailies, strict=True):
            self.do(CreateAgent(NewAgent(name=name, budget=budget, daily=daily, parent=parent)))
            self.accounts[name] = Account(budget, daily)
            parent = name

    def opened(self) -> SqliteDriver:
        driver = SqliteDriver(self.folder / "ledger.db", LedgerOptions(low_water=0, ballast=0), clock=lambda: self.now)
        self.found = driver.open().results
        return driver

    def do(self, operation):
        [result] = self.driver.execute([operation]).results
        return result

    @property
    def day(self) -> str:
        return datetime.fromtimestamp(self.now / 1_000_000, UTC).date().isoformat()

    def chain(self, name: str) -> list[Account]:
        return [self.accounts[each] for each in NAMES[: NAMES.index(name) + 1]]

    @rule(target=holds, name=st.sampled_from(NAMES), amount=AMOUNTS)
    def reserve(self, name, amount):
        chain = self.chain(name)
        ready = all(account.state == "ready" for account in chain)
        fits = amount == 0 or all(account.fits(amount, self.day) for account in chain)
        result = self.do(Reserve(make_call(principal=make_principal(name)), plan_for(amount), 10**9))
        if not ready:
            assert isinstance(result, Refused)
            assert result.status == 423
            return None
        if not fits:
            assert isinstance(result, Refused)
            assert result.status == 402
            return None
        assert isinstance(result, Hold)
        for account in chain:
            account.reserved += amount
            if account.day != self.day:
                account.day, account.today = self.day, 0
        self.running[result.execution] = (name, amount)
        return result.execution

    @rule(target=ended, execution=holds, cost=AMOUNTS, released=st.booleans())
    def settle(self, execution, cost, released):
        if execution is None:
            return None
        charge = Charge(
            state="released" if released else "committed",
            amount=0 if released else cost,
            estimated=False,
            reason="usage",
        )
        booked = self.do(Settle(execution, make_outcome(charge=charge), None, None, 10**9))
        assert isinstance(booked, Booked)
        if execution in self.booked:
            assert booked == self.booked[execution][0], "a second settlement is the first"
            return execution
        name, amount = self.running.pop(execution)
        assert booked.amount == charge.amount
        self.end(execution, name, amount, booked)
        return execution

    def end(self, execution: str, name: str, amount: int, booked: Booked) -> None:
        self.booked[execution] = (booked, name)
        for account in self.chain(name):
            account.reserved -= amount
            account.spend(booked.amount, self.day)
        assert booked.overrun == (booked.amount > amount)
        if booked.overrun:
            self.accounts[name].state = "frozen"

    @rule(execution=ended, cost=AMOUNTS)
    def correct(self, execution, cost):
        if execution is None:
            return
        booked, name = self.booked[execution]
        was = getattr(self, "corrected", {}).get(execution, booked.amount)
        assert isinstance(self.do(Correct(execution, cost, "invoice")), Receipt)
        self.corrected = {**getattr(self, "corrected", {}), execution: cost}
        for account in self.chain(name):
            account.spend(cost - was, self.day)

    @rule(name=st.sampled_from(NAMES), amount=AMOUNTS)
    def top_up(self, name, amount):
        result = self.do(TopUp(name, amount))
        account = self.accounts[name]
        if account.budget is None:
            assert isinstance(result, Conflict)
        else:
            account.budget += amount

    @rule(name=st.sampled_from(NAMES), daily=st.none() | st.integers(0, 150))
    def set_daily(self, name, daily):
        account = self.accounts[name]
        if account.daily is None:
            account.day, account.today = None, 0  # a new window begins with its first use
        self.do(UpdateAgent(name, AgentChange(daily=daily)))
        account.daily = daily

    @rule(name=st.sampled_from(NAMES), state=st.sampled_from(["ready", "paused"]))
    def change_state(self, name, state):
        result = self.do(ChangeState(name, state, ""))
        if not isinstance(result, Conflict):
            self.accounts[name].state = state

    @rule(seconds=st.sampled_from([1, 3600, 40_000, 86_400]))
    def pass_time(self, seconds) -> None:
        self.now += seconds * 1_000_000

    @rule()
    def crash(self) -> None:
        """The process is gone without a word; the next one books the holds."""
        self.driver._connection.close()
        self.driver._lock.release()
        self.driver = self.opened()
        assert {str(execution) for execution in self.found} == set(self.running)
        for execution, (name, amount) in self.running.items():
            booked = self.do(Recover(execution))
            assert (booked.amount, booked.estimated) == (amount, True)
            self.end(execution, name, amount, booked)
        self.running.clear()

    @rule()
    def checkpoint(self) -> None:
        self.driver.maintain(True)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "driver"):
            return
        for agent in self.do(ListAgents()):
            account = self.accounts[agent.name]
            assert (agent.spent, agent.reserved, agent.state) == (account.spent, account.reserved, account.state)
            for window in agent.windows:
                assert window.spent == (account.today if account.day == self.day else 0)

    def teardown(self) -> None:
        if hasattr(self, "driver"):
            self.driver.close()
            verdict = verify(self.folder / "ledger.db")
            assert verdict.ok, verdict.detail
            shutil.rmtree(self.folder)


LedgerMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedgerAgainstItsModel = pytest.mark.slow(LedgerMachine.TestCase)
