"""Runs and steps under a ledger's budgets."""

from __future__ import annotations

import pytest
import trio

from aexl.api import Accounts, Limits
from aexl.errors import Invalid, NotFound, Refused, Unavailable
from aexl_pipelines.governing.governor import LedgerGovernor
from aexl_pipelines.governing.roll import read_roll
from aexl_pipelines.language.parts import Budget

URL = "http://127.0.0.1:9000"


def names(accounts):
    return sorted(accounts._agents)


async def test_a_step_has_a_token_that_names_run_and_step_and_ends_with_it(governor, accounts, begin):
    async with governor.run(begin(), None) as run:
        async with run.step("loop#2::fix", None) as access:
            assert (access.url, access.run) == (URL, "r1")
            who = await accounts.authenticate(access.token)
            assert who.labels == {"run": "r1", "step": "loop#2::fix"}
            assert (who.agent, who.scope) == (run.agent, "execute")
        with pytest.raises(Refused):
            await accounts.authenticate(access.token)


async def test_a_run_has_an_agent_of_its_own_below_the_payer_and_it_ends_with_the_run(governor, accounts, begin):
    accounts.add("alice", limits=Limits(models=("gpt-*",)))
    async with governor.run(begin(budget=9), Budget(usd=5)) as run, run.step("a", None):
        agent = await accounts.get(run.agent)
        assert (agent.name, agent.parent, agent.budget) == ("alice:run-r1", "alice", 5)
        assert agent.limits == Limits(models=("gpt-*",), clamp=True)
    assert names(accounts) == ["alice"]


async def test_a_run_without_a_budget_keeps_the_payers_limits(governor, accounts, begin):
    async with governor.run(begin(), None) as run, run.step("a", None):
        agent = await accounts.get(run.agent)
        assert (agent.budget, agent.limits.clamp) == (None, False)


async def test_a_run_that_asks_no_agent_costs_the_ledger_nothing(governor, accounts, begin):
    async with governor.run(begin(), Budget(usd=5)) as run:
        assert run.agent == "alice:run-r1"
        assert names(accounts) == ["alice"]


async def test_parallel_steps_share_the_runs_agent(governor, accounts, begin):
    tokens = []
    async with governor.run(begin(), Budget(usd=5)) as run, trio.open_nursery() as nursery:

        async def one(address):
            async with run.step(address, None) as access:
                tokens.append((await accounts.authenticate(access.token)).labels["step"])

        for address in ("a", "b", "c"):
            nursery.start_soon(one, address)
    assert sorted(tokens) == ["a", "b", "c"]


async def test_a_step_with_a_budget_has_an_agent_below_the_runs(governor, accounts, begin):
    async with governor.run(begin(), Budget(usd=5)) as run:
        async with run.step("a", Budget(usd=2)) as access:
            who = await accounts.authenticate(access.token)
            agent = await accounts.get(who.agent)
            assert (agent.name, agent.parent, agent.budget) == ("alice:run-r1.s1", "alice:run-r1", 2)
        assert names(accounts) == ["alice", "alice:run-r1"]


@pytest.mark.parametrize("budget", [None, Budget(usd=2)])
async def test_a_cancelled_step_gives_everything_back(governor, accounts, begin, budget):
    with trio.CancelScope() as scope:
        async with governor.run(begin(), Budget(usd=5)) as run, run.step("a", budget):
            scope.cancel()
            await trio.sleep_forever()
    assert names(accounts) == ["alice"]
    assert accounts._tokens == {}


async def test_what_was_booked_is_told_by_step_and_by_run(governor, bills, begin):
    async with governor.run(begin(), None) as run:
        for step, cost in (("a", 3), ("b", 4), ("a", 5)):
            async with run.step(step, None):
                bills.book(run.agent, "r1", step, cost)
        async with run.step("c", Budget(usd=100)) as access:
            who = (await governor.host.service(Accounts).authenticate(access.token)).agent
            bills.book(who, "r1", "c", 60)
        bills.book("alice", "r9", "a", 1000)
        assert [await run.booked(step) for step in ("a", "b", "c", "d", None)] == [8, 4, 60, 0, 72]


async def test_calls_that_are_still_settling_are_waited_for(governor, bills, begin, autojump_clock):
    async with governor.run(begin(), None) as run, run.step("a", None):
        bills.running = 3
        assert await run.booked("a") == 0
        assert bills.running <= 0


async def test_one_that_never_settles_is_not_waited_for_for_ever(governor, bills, begin, autojump_clock):
    async with governor.run(begin(), None) as run, run.step("a", None):
        bills.running = 1 << 30
        with trio.fail_after(6):
            await run.booked("a")


async def test_child_runs_work_under_their_parents_agent_and_their_cost_rolls_up(governor, accounts, bills, begin):
    async with governor.run(begin(), Budget(usd=9)) as run:
        async with governor.run(begin("r2", parent="r1", step="call"), None) as child, child.step("x", None) as access:
            who = await accounts.authenticate(access.token)
            assert (who.agent, who.labels) == ("alice:run-r1", {"run": "r2", "step": "x"})
            bills.book(who.agent, "r2", "x", 7)
            assert await child.booked() == 7
        assert names(accounts) == ["alice", "alice:run-r1"]
        async with governor.run(begin("r3", parent="r1", step="other"), Budget(usd=4)) as child, child.step("y", None):
            agent = await accounts.get(child.agent)
            assert (agent.parent, agent.budget) == ("alice:run-r1", 4)
            bills.book(child.agent, "r3", "y", 11)
        bills.book("alice:run-r1", "r1", "a", 100)
        assert [await run.booked(step) for step in ("call", "other", "a", None)] == [7, 11, 100, 118]
    assert names(accounts) == ["alice"]


async def test_a_resumed_run_has_what_is_left_of_its_budget(governor, accounts, bills, begin):
    async with governor.run(begin(), Budget(usd=10)) as run, run.step("a", None):
        bills.book(run.agent, "r1", "a", 4)
    async with governor.run(begin(), Budget(usd=10)) as again, again.step("b", None):
        agent = await accounts.get(again.agent)
        assert (agent.name, agent.budget) == ("alice:run-r1.2", 6)
        bills.book(again.agent, "r1", "b", 5)
        assert await again.booked() == 9
    async with governor.run(begin(), Budget(usd=5)) as again, again.step("c", None):
        assert (await accounts.get(again.agent)).budget == 0


async def kill(host, begin):
    """Begin a run with a step and a token, and leave them as a killed process does; return the token."""
    killed = LedgerGovernor(host, url=URL, agent="alice", is_driven=lambda _: True)
    run = await killed.run(begin(), Budget(usd=10)).__aenter__()
    return (await run.step("a", Budget(usd=2)).__aenter__()).token


async def test_what_a_killed_process_left_ends_when_the_run_is_resumed(accounts, host, begin):
    token = await kill(host, begin)
    assert names(accounts) == ["alice", "alice:run-r1", "alice:run-r1.s1"]
    async with LedgerGovernor(host, url=URL, agent=None, is_driven=lambda _: True).run(begin(), None) as again:
        assert again.agent == "alice:run-r1.2"
        assert names(accounts) == ["alice"]
        with pytest.raises(Refused):
            await accounts.authenticate(token)


@pytest.mark.parametrize("driven", [True, False])
async def test_the_next_run_sweeps_what_killed_ones_have_left(host, accounts, begin, driven):
    await kill(host, begin)
    async with LedgerGovernor(host, url=URL, agent=None, is_driven=lambda _: driven).run(begin("r2"), None):
        left = ["alice:run-r1", "alice:run-r1.s1"] if driven else []
        assert names(accounts) == ["alice", *left]


async def test_agents_that_look_like_a_runs_and_are_not_of_this_home_stay(governor, accounts, begin):
    accounts.add("alice:run-abcdef01")
    async with governor.run(begin(), None):
        assert names(accounts) == ["alice", "alice:run-abcdef01"]


async def test_who_pays_must_be_said_where_several_could(host, accounts, begin):
    accounts.add("bob")
    with pytest.raises(Invalid, match=r"--agent NAME.*alice, bob"):
        await LedgerGovernor(host, url=URL, agent=None, is_driven=bool).run(begin(), None).__aenter__()
    with pytest.raises(NotFound, match="nobody pays"):
        await LedgerGovernor(host, url=URL, agent="carol", is_driven=bool).run(begin(), None).__aenter__()
    async with LedgerGovernor(host, url=URL, agent="bob", is_driven=bool).run(begin(), None) as run:
        assert run.agent == "bob:run-r1"


async def test_nobody_to_pay_is_a_sentence(governor, accounts, begin):
    await accounts.delete("alice")
    with pytest.raises(Invalid, match="aexl agent create"):
        await governor.run(begin(), None).__aenter__()


async def test_a_resumed_run_is_paid_by_who_paid_before(host, accounts, governor, begin):
    accounts.add("bob")
    async with (
        LedgerGovernor(host, url=URL, agent="bob", is_driven=bool).run(begin(), None) as run,
        run.step("a", None),
    ):
        pass
    assert read_roll(host.data_dir / "runs" / "r1").payer == "bob"
    async with governor.run(begin(), None) as again:
        assert again.agent == "bob:run-r1.2"


@pytest.mark.parametrize("url", [URL, None])
async def test_without_a_server_or_in_a_dry_run_nothing_is_governed(host, accounts, begin, url):
    governor = LedgerGovernor(host, url=url, agent=None, is_driven=bool)
    async with governor.run(begin(dry_run=url is not None), None) as run:
        assert not run.agent
        async with run.step("a", None) as access:
            assert access is None
        assert await run.booked() is None


async def test_govern_without_a_server_is_refused(host, begin):
    governor = LedgerGovernor(host, url=None, agent=None, is_driven=bool)
    with pytest.raises(Unavailable, match="--govern"):
        governor.run(begin(govern=True), None)


async def test_a_server_that_has_gone_does_not_change_how_a_step_ended(governor, accounts, begin, caplog):
    async def gone(_):
        raise Unavailable("no server answers")

    async with governor.run(begin(), None) as run, run.step("a", None):
        accounts.revoke = gone
    assert "could not be given back" in caplog.text


async def test_long_names_and_addresses_fit(host, accounts, bills, begin):
    payer = "a" * 100
    accounts.add(payer)
    (host.data_dir / "runs" / ("r" * 36)).mkdir()
    governor = LedgerGovernor(host, url=URL, agent=payer, is_driven=bool)
    address = "::".join(f"step-{number}#12" for number in range(60))
    async with governor.run(begin("r" * 36), None) as run, run.step(address, Budget(usd=1)) as access:
        who = await accounts.authenticate(access.token)
        assert len(who.agent) <= 100
        assert len(who.labels["step"]) == 200
        bills.book(who.agent, "r" * 36, who.labels["step"], 3)
        assert await run.booked(address) == 3
