"""Agents, tokens and budgets, over the role."""

from __future__ import annotations

import msgspec
import pytest
import trio

from aexl.api import (
    Accounts,
    AgentChange,
    Bill,
    Charge,
    Executions,
    Hold,
    Journal,
    Limits,
    NewAgent,
    Outcome,
)
from aexl.errors import Conflict, Invalid, NotFound, Refused
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal
from aexl_ledger.agents import DEEPEST
from aexl_ledger.roles import LedgerAccounts, LedgerExecutions, LedgerJournal, Reading
from aexl_ledger.verify import verify

PLAN = make_plan()


@pytest.fixture
def accounts(ledger):
    return LedgerAccounts(ledger)


def charging(amount: int, estimated: bool = False) -> Outcome:
    return make_outcome(charge=Charge(state="committed", amount=amount, estimated=estimated, reason="usage"))


async def spend(ledger, amount: int, agent: str = "alice", plan=PLAN):
    hold = await ledger.reserve(make_call(principal=make_principal(agent)), plan)
    return await ledger.settle(hold, charging(amount), None)


async def test_an_agent_is_what_it_was_created_as(accounts):
    limits = Limits(models=("gpt-*",), rpm=5, queue=2.5)
    made = await accounts.create(
        NewAgent(name="alice", budget=10, daily=5, monthly=7, timezone="Europe/Berlin", limits=limits)
    )
    assert made == await accounts.get("alice") == (await accounts.list())[0]
    assert (made.budget, made.spent, made.reserved, made.state) == (10, 0, 0, "ready")
    assert [(window.period, window.budget, window.spent) for window in made.windows] == [("day", 5, 0), ("month", 7, 0)]
    assert made.limits == limits


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 101, "ä", "a/b", "a\n"])
async def test_a_name_that_is_none_is_refused(accounts, name):
    with pytest.raises(Invalid):
        await accounts.create(NewAgent(name=name, budget=None))


@pytest.mark.parametrize("budget", [-1, 2**53 + 1, 2**63, True, 1.5, float("nan"), "1e3"])
@pytest.mark.parametrize("field", ["budget", "daily", "monthly"])
async def test_a_budget_that_is_no_amount_is_refused(accounts, field, budget):
    values = {"budget": None, field: budget}
    with pytest.raises(Invalid):
        await accounts.create(NewAgent(name="alice", **values))


@pytest.mark.parametrize("budget", [0, 2**53])
async def test_the_least_and_the_largest_budget_are_accepted(accounts, budget):
    assert (await accounts.create(NewAgent(name="alice", budget=budget))).budget == budget


@pytest.mark.parametrize(
    "limits", [Limits(rpm=0), Limits(tpm=-1), Limits(concurrency=True), Limits(queue=3601.0), Limits(models=("a", 1))]
)
async def test_a_limit_out_of_range_is_refused(accounts, limits):
    with pytest.raises(Invalid):
        await accounts.create(NewAgent(name="alice", budget=None, limits=limits))


async def test_a_name_is_taken_for_good(accounts):
    await accounts.create(NewAgent(name="alice", budget=None))
    with pytest.raises(Conflict, match="exists already"):
        await accounts.create(NewAgent(name="alice", budget=None))
    await accounts.delete("alice")
    with pytest.raises(Conflict, match="was deleted"):
        await accounts.create(NewAgent(name="alice", budget=None))
    with pytest.raises(NotFound):
        await accounts.get("alice")
    assert await accounts.list() == []


async def test_a_missing_agent_comes_with_a_suggestion(accounts):
    await accounts.create(NewAgent(name="alice", budget=None))
    with pytest.raises(NotFound, match="did you mean 'alice'"):
        await accounts.get("alcie")


async def test_a_chain_of_parents_has_a_greatest_depth(accounts):
    await accounts.create(NewAgent(name="a0", budget=None))
    for depth in range(1, DEEPEST):
        await accounts.create(NewAgent(name=f"a{depth}", budget=None, parent=f"a{depth - 1}"))
    with pytest.raises(Conflict):
        await accounts.create(NewAgent(name="deep", budget=None, parent=f"a{DEEPEST - 1}"))


async def test_an_update_changes_what_it_names(accounts):
    await accounts.create(NewAgent(name="alice", budget=10, daily=5))
    changed = await accounts.update("alice", AgentChange(budget=None, limits=Limits(rpm=9)))
    assert (changed.budget, changed.limits.rpm, changed.windows[0].budget) == (None, 9, 5)
    assert (await accounts.update("alice", AgentChange(daily=None))).windows == ()
    assert await accounts.update("alice", AgentChange()) == await accounts.get("alice")


async def test_a_topup_adds_to_the_budget(accounts):
    await accounts.create(NewAgent(name="alice", budget=10))
    assert (await accounts.topup("alice", 5)).budget == 15
    with pytest.raises(Invalid):
        await accounts.topup("alice", 2**53)
    with pytest.raises(Invalid):
        await accounts.topup("alice", -5)
    await accounts.create(NewAgent(name="bob", budget=None))
    with pytest.raises(Conflict):
        await accounts.topup("bob", 5)


async def test_an_agent_with_children_or_calls_is_not_deleted(accounts, ledger):
    await accounts.create(NewAgent(name="team", budget=None))
    await accounts.create(NewAgent(name="alice", budget=None, parent="team"))
    with pytest.raises(Conflict, match="children"):
        await accounts.delete("team")
    hold = await ledger.reserve(make_call(), PLAN)
    with pytest.raises(Conflict, match="running"):
        await accounts.delete("alice")
    await ledger.settle(hold, make_outcome(), None)
    await accounts.delete("alice")
    await accounts.delete("team")


async def test_states_have_their_ways(accounts):
    await accounts.create(NewAgent(name="alice", budget=None))
    assert (await accounts.transition("alice", "paused", "lunch")).reason == "lunch"
    assert (await accounts.transition("alice", "paused", "again")).reason == "lunch"
    assert (await accounts.transition("alice", "quarantined", "odd")).state == "quarantined"
    with pytest.raises(Conflict, match="from there"):
        await accounts.transition("alice", "paused", "")
    assert (await accounts.transition("alice", "decommissioned", "")).reason is None
    with pytest.raises(Conflict, match="for good"):
        await accounts.transition("alice", "ready", "")
    with pytest.raises(Invalid):
        await accounts.transition("alice", "asleep", "")


@pytest.mark.parametrize("state", ["paused", "quarantined", "frozen", "decommissioned"])
async def test_an_agent_that_is_not_ready_holds_nothing(accounts, ledger, state):
    await accounts.create(NewAgent(name="alice", budget=None))
    await accounts.transition("alice", state, "because")
    with pytest.raises(Refused, match="because") as caught:
        await ledger.reserve(make_call(), PLAN)
    assert (caught.value.status, caught.value.code) == (423, "agent_not_ready")


async def test_a_parents_state_holds_for_its_children(accounts, ledger, host):
    await accounts.create(NewAgent(name="team", budget=None))
    await accounts.create(NewAgent(name="alice", budget=None, parent="team"))
    token = await accounts.mint("alice", "execute", {}, None)
    await accounts.transition("team", "quarantined", "odd")
    with pytest.raises(Refused, match="team is quarantined"):
        await ledger.reserve(make_call(), PLAN)
    assert (await accounts.authenticate(token)).state == "quarantined"
    assert [name for name, _ in host.interrupted] == ["team", "alice"]


async def test_pausing_lets_running_calls_go_on(accounts, host):
    await accounts.create(NewAgent(name="alice", budget=None))
    await accounts.transition("alice", "paused", "")
    assert host.interrupted == []
    await accounts.transition("alice", "frozen", "")
    assert [(name, verdict.status) for name, verdict in host.interrupted] == [("alice", 423)]


async def test_an_overrun_freezes_and_interrupts_the_agent(accounts, ledger, host):
    await accounts.create(NewAgent(name="team", budget=None))
    await accounts.create(NewAgent(name="alice", budget=None, parent="team"))
    assert (await spend(ledger, PLAN.hold + 1)).overrun
    agent = await accounts.get("alice")
    assert (agent.state, agent.spent) == ("frozen", PLAN.hold + 1)
    assert "cost more" in (agent.reason or "")
    assert [name for name, _ in host.interrupted] == ["alice"]
    assert (await accounts.get("team")).state == "ready"
    await accounts.transition("alice", "ready", "looked")
    await spend(ledger, 1)


async def test_what_children_spend_and_hold_counts_for_their_parents(accounts, ledger):
    await accounts.create(NewAgent(name="team", budget=10 * PLAN.hold))
    await accounts.create(NewAgent(name="alice", budget=None, parent="team"))
    await spend(ledger, 7)
    await ledger.reserve(make_call(), PLAN)
    team = await accounts.get("team")
    assert (team.spent, team.reserved) == (7, PLAN.hold)


async def test_the_refusal_names_the_budget_that_is_too_small(accounts, ledger):
    await accounts.create(NewAgent(name="team", budget=None, monthly=PLAN.hold - 1))
    await accounts.create(NewAgent(name="alice", budget=10 * PLAN.hold, daily=5 * PLAN.hold, parent="team"))
    with pytest.raises(Refused, match="the monthly budget of team has") as caught:
        await ledger.reserve(make_call(), PLAN)
    assert caught.value.status == 402


async def test_a_call_that_costs_nothing_needs_no_budget(accounts, ledger):
    await accounts.create(NewAgent(name="alice", budget=0))
    free = msgspec.structs.replace(PLAN, hold=0)
    assert (await ledger.reserve(make_call(), free)).amount == 0


async def test_a_day_begins_anew_at_midnight(accounts, ledger, clock):
    await accounts.create(NewAgent(name="alice", budget=None, daily=PLAN.hold, monthly=3 * PLAN.hold))
    await spend(ledger, PLAN.hold)
    with pytest.raises(Refused, match="the daily budget of alice"):
        await ledger.reserve(make_call(), PLAN)
    clock.forward(12 * 3600 - 1)
    with pytest.raises(Refused):
        await ledger.reserve(make_call(), PLAN)
    clock.forward(1)
    agent = await accounts.get("alice")
    assert [window.spent for window in agent.windows] == [0, PLAN.hold]
    await spend(ledger, PLAN.hold)
    assert [window.spent for window in (await accounts.get("alice")).windows] == [PLAN.hold, 2 * PLAN.hold]


async def test_a_hold_over_midnight_counts_on_both_days_and_its_cost_on_the_second(accounts, ledger, clock):
    await accounts.create(NewAgent(name="alice", budget=None, daily=PLAN.hold))
    hold = await ledger.reserve(make_call(), PLAN)
    clock.forward(12 * 3600)
    with pytest.raises(Refused):
        await ledger.reserve(make_call(), PLAN)
    booked = await ledger.settle(hold, charging(5), None)
    assert booked.remaining == PLAN.hold - 5
    assert (await accounts.get("alice")).windows[0].spent == 5


async def test_a_clock_that_goes_to_and_fro_makes_no_money(accounts, ledger, clock):
    await accounts.create(NewAgent(name="alice", budget=None, daily=PLAN.hold))
    clock.forward(12 * 3600)
    await spend(ledger, PLAN.hold)
    clock.forward(-60)
    with pytest.raises(Refused):
        await ledger.reserve(make_call(), PLAN)
    clock.forward(120)
    with pytest.raises(Refused):
        await ledger.reserve(make_call(), PLAN)


async def test_a_clock_that_was_ten_years_ahead_does_not_hold_up_the_days(accounts, ledger, clock):
    await accounts.create(NewAgent(name="alice", budget=None, daily=2 * PLAN.hold))
    clock.forward(3650 * 86400)
    await spend(ledger, PLAN.hold)
    clock.forward(-3650 * 86400)
    await spend(ledger, PLAN.hold)
    with pytest.raises(Refused):
        await ledger.reserve(make_call(), PLAN)
    clock.forward(86400)
    await spend(ledger, PLAN.hold)


async def test_another_zone_keeps_what_was_spent_today(accounts, ledger):
    await accounts.create(NewAgent(name="alice", budget=None, daily=PLAN.hold))
    await spend(ledger, 9)
    changed = await accounts.update("alice", AgentChange(timezone="Asia/Tokyo"))
    assert (changed.timezone, changed.windows[0].spent) == ("Asia/Tokyo", 9)


async def test_a_token_tells_its_agent_scope_and_labels(accounts):
    await accounts.create(NewAgent(name="alice", budget=None, limits=Limits(rpm=3)))
    token = await accounts.mint("alice", "read", {"run": "r1"}, None)
    principal = await accounts.authenticate(token)
    assert (principal.agent, principal.scope, principal.labels) == ("alice", "read", {"run": "r1"})
    assert principal.limits.rpm == 3
    assert principal is await accounts.authenticate(token)
    await accounts.update("alice", AgentChange(limits=Limits(rpm=4)))
    assert (await accounts.authenticate(token)).limits.rpm == 4


@pytest.mark.parametrize("change", ["", "x", "aexl", "aexl_", "aexl__", "aexl_a_b", "{0}x", "{0}_", "X{0}", "\ud800"])
async def test_a_wrong_token_is_refused(accounts, change):
    await accounts.create(NewAgent(name="alice", budget=None))
    token = await accounts.mint("alice", "execute", {}, None)
    with pytest.raises(Refused) as caught:
        await accounts.authenticate(change.format(token))
    assert (caught.value.status, caught.value.code) == (401, "invalid_token")
    assert token not in caught.value.reason


async def test_a_token_ends_at_its_expiry(accounts, clock):
    await accounts.create(NewAgent(name="alice", budget=None))
    token = await accounts.mint("alice", "execute", {}, 10.0)
    clock.forward(9.999)
    await accounts.authenticate(token)
    clock.forward(0.001)
    with pytest.raises(Refused) as caught:
        await accounts.authenticate(token)
    assert caught.value.code == "expired_token"
    assert await accounts.tokens("alice") == []


@pytest.mark.parametrize("ttl", [0, -1.0, True, float("inf"), float("nan"), 1e12])
async def test_a_time_to_live_that_is_none_is_refused(accounts, ttl):
    await accounts.create(NewAgent(name="alice", budget=None))
    with pytest.raises(Invalid):
        await accounts.mint("alice", "execute", {}, ttl)


async def test_rotation_and_revocation_end_tokens_at_once(accounts):
    await accounts.create(NewAgent(name="alice", budget=None))
    old = await accounts.mint("alice", "admin", {}, None)
    new = await accounts.rotate("alice", None)
    assert (await accounts.authenticate(new)).scope == "execute"
    with pytest.raises(Refused):
        await accounts.authenticate(old)
    [token] = await accounts.tokens("alice")
    await accounts.revoke(token.id)
    with pytest.raises(Refused):
        await accounts.authenticate(new)
    with pytest.raises(NotFound):
        await accounts.revoke(token.id)


async def test_deleting_an_agent_ends_its_tokens(accounts):
    await accounts.create(NewAgent(name="alice", budget=None))
    token = await accounts.mint("alice", "execute", {}, None)
    await accounts.delete("alice")
    with pytest.raises(Refused):
        await accounts.authenticate(token)


async def test_executions_tell_their_life(accounts, ledger):
    executions = LedgerExecutions(ledger, reading := Reading(ledger))
    await accounts.create(NewAgent(name="alice", budget=None))
    hold = await ledger.reserve(make_call(principal=make_principal(labels={"run": "r1"})), PLAN)
    running = await executions.get(hold.execution, "alice")
    assert [state for state, _ in running.states] == ["reserving", "reserved", "dispatched"]
    booked = await ledger.settle(hold, make_outcome(upstream_id="resp_1"), None)
    done = await executions.get(hold.execution, None)
    assert [state for state, _ in done.states][-1] == "committed"
    assert (done.cost, done.hold, done.status, done.labels) == (booked.amount, hold.amount, 200, {"run": "r1"})
    assert done.receipts == (hold.receipt, booked.receipt)
    assert done.usage == make_outcome().usage
    assert await executions.owner("resp_1") == done
    assert await executions.owner("resp_2") is None
    with pytest.raises(NotFound):
        await executions.get(hold.execution, "bob")
    assert await executions.recent("alice", 5) == [done]
    assert await executions.recent("bob", 5) == []
    reading.close()


async def test_a_refusal_is_in_the_ledger_without_its_sentence(accounts, ledger):
    executions = LedgerExecutions(ledger, reading := Reading(ledger))
    await accounts.create(NewAgent(name="alice", budget=None))
    refused = Refused("you said: my secret", code="model_not_allowed", status=403, param="model")
    receipt = await ledger.deny(make_call(), refused)
    denied = await executions.get(refused.execution or "", "alice")
    assert (denied.state, denied.reason, denied.receipts) == ("denied", "model_not_allowed", (receipt,))
    events = await LedgerJournal(ledger, reading).read(0, 10)
    assert "secret" not in str(events)
    reading.close()


async def test_a_refusal_tells_what_is_left(accounts, ledger):
    await accounts.create(NewAgent(name="alice", budget=100 * PLAN.hold))
    await ledger.reserve(make_call(), PLAN)
    refused = Refused("no", code="model_not_allowed", status=403)
    await ledger.deny(make_call(), refused)
    assert refused.remaining == 99 * PLAN.hold
    await accounts.update("alice", AgentChange(budget=None))
    await ledger.deny(make_call(), refused)
    assert refused.remaining is None


async def test_a_correction_changes_what_was_spent(accounts, ledger):
    executions = LedgerExecutions(ledger, reading := Reading(ledger))
    await accounts.create(NewAgent(name="alice", budget=10 * PLAN.hold, daily=10 * PLAN.hold))
    hold = await ledger.reserve(make_call(), PLAN)
    with pytest.raises(Conflict, match="not been settled"):
        await executions.correct(hold.execution, 5, "invoice")
    await ledger.settle(hold, charging(100), None)
    await executions.correct(hold.execution, 40, "invoice")
    receipt = await executions.correct(hold.execution, 70, "second invoice")
    agent = await accounts.get("alice")
    assert (agent.spent, agent.windows[0].spent) == (70, 70)
    corrected = await executions.get(hold.execution, None)
    assert (corrected.cost, corrected.receipts[-1], len(corrected.receipts)) == (70, receipt, 4)
    with pytest.raises(Invalid):
        await executions.correct(hold.execution, -1, "no")
    with pytest.raises(NotFound):
        await executions.correct("nothing", 1, "no")
    assert verify(ledger.path).ok
    reading.close()


async def test_a_bill_is_the_sum_of_what_agents_paid_under_labels(accounts, ledger):
    executions = LedgerExecutions(ledger, reading := Reading(ledger))
    for name in ("alice", "bob", "carol"):
        await accounts.create(NewAgent(name=name, budget=10 * PLAN.hold))
    paid = [("alice", "s1", 100), ("alice", "s2", 200), ("bob", "s1", 400), ("carol", "s1", 800)]
    holds = []
    for agent, step, cost in paid:
        labels = {"run": "r1", 'an "odd.one"': "it's", "step": step}
        hold = await ledger.reserve(make_call(principal=make_principal(agent=agent, labels=labels)), PLAN)
        holds.append(hold)
        await ledger.settle(hold, charging(cost), None)

    agents = ["alice", "bob"]
    assert await executions.bill(agents, {}) == Bill(calls=3, cost=700)
    assert await executions.bill(agents, {"run": "r1", "step": "s1"}) == Bill(calls=2, cost=500)
    assert await executions.bill(agents, {'an "odd.one"': "it's"}) == Bill(calls=3, cost=700)
    for labels in ({"run": "r2"}, {"step": ""}, {"other": "r1"}):
        assert await executions.bill(agents, labels) == Bill()
    assert await executions.bill([], {}) == Bill()

    await executions.correct(holds[0].execution, 150, "invoice")
    await accounts.delete("bob")
    assert (await executions.bill(agents, {})).cost == 750
    reading.close()


async def test_a_bill_says_what_is_not_settled_refused_or_estimated(accounts, ledger):
    executions = LedgerExecutions(ledger, reading := Reading(ledger))
    await accounts.create(NewAgent(name="alice", budget=None))
    await ledger.deny(make_call(), Refused("no", code="model_not_allowed", status=403))
    hold = await ledger.reserve(make_call(), PLAN)
    assert await executions.bill(["alice"], {}) == Bill(calls=1, refused=1, running=1)
    await ledger.settle(hold, charging(100, estimated=True), None)
    assert await executions.bill(["alice"], {}) == Bill(calls=1, refused=1, cost=100, estimated=True)
    await executions.correct(hold.execution, 90, "invoice")
    assert await executions.bill(["alice"], {}) == Bill(calls=1, refused=1, cost=90)
    reading.close()


async def test_the_journal_takes_events_of_other_plugins(ledger):
    journal = LedgerJournal(ledger, reading := Reading(ledger))
    receipt = await journal.append("snapshots.pushed", "main", {"files": 3, "id": "abc"})
    [event] = await journal.read(0, 10)
    assert (event["seq"], event["hash"], event["kind"]) == (receipt.seq, receipt.hash, "snapshots.pushed")
    assert event["data"] == {"files": 3, "id": "abc"}
    assert await journal.read(receipt.seq, 10) == []
    reading.close()


@pytest.mark.parametrize("kind", ["pushed", "execution.committed", "agent.created", "a..b", "A.b", "", "ledger.x"])
async def test_the_journal_refuses_kinds_that_are_not_a_plugins(ledger, kind):
    with pytest.raises(Invalid):
        await LedgerJournal(ledger, Reading(ledger)).append(kind, "x", {})


@pytest.mark.parametrize("value", [1.5, True, None, 2**53 + 1, "x" * 20_000, "\ud800", ["a"]])
async def test_the_journal_refuses_data_that_is_not_canonical(ledger, value):
    with pytest.raises(Invalid):
        await LedgerJournal(ledger, Reading(ledger)).append("a.b", "x", {"value": value})


async def test_a_cancelled_creation_is_finished_and_then_raises(ledger, accounts):
    with trio.CancelScope() as scope:
        scope.cancel()
        await accounts.create(NewAgent(name="alice", budget=None))
    assert scope.cancelled_caught
    assert await accounts.list() == []


async def test_the_roles_are_played(ledger_roles):
    assert [isinstance(role, kind) for role, kind in ledger_roles] == [True, True, True]


@pytest.fixture
def ledger_roles(ledger):
    reading = Reading(ledger)
    return [
        (LedgerAccounts(ledger), Accounts),
        (LedgerExecutions(ledger, reading), Executions),
        (LedgerJournal(ledger, reading), Journal),
    ]


async def test_an_execution_is_never_a_callers_word(accounts, ledger):
    await accounts.create(NewAgent(name="alice", budget=None))
    hold = await ledger.reserve(make_call(id="my-secret-key", keyed=True), PLAN)
    assert isinstance(hold, Hold)
    assert hold.execution != "my-secret-key"
