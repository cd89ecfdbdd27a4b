"""``aexl ledger``, beside a server that writes and without one."""

from __future__ import annotations

import json

import pytest
import trio

from aexl.api import Executions, NewAgent
from aexl.errors import AexlError, Conflict
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.session import FakeSession, run_command
from aexl_ledger.book import Ledger
from aexl_ledger.chain import check_export
from aexl_ledger.cli_ledger import app
from aexl_ledger.options import LedgerOptions
from aexl_ledger.progress import Progress
from aexl_ledger.roles import LedgerAccounts, LedgerExecutions, Reading

OPTIONS = LedgerOptions(low_water=0, ballast=0)
PLAN = make_plan()


class Correcting:
    """The role, over a ledger that is opened for one operation, as a command without a server does."""

    def __init__(self, path) -> None:
        self.path = path

    async def correct(self, execution, cost, reason):
        failed: AexlError | None = None
        async with (ledger := Ledger(self.path, OPTIONS, threaded=False)).running():
            try:
                return await LedgerExecutions(ledger, Reading(ledger)).correct(execution, cost, reason)
            except AexlError as error:
                failed = error
        raise failed


@pytest.fixture
def executions(tmp_path):
    """Ids of what a ledger has: two committed, one denied, in this order."""

    async def fill() -> list[str]:
        async with (ledger := Ledger(tmp_path / "ledger.db", OPTIONS, threaded=False)).running():
            await LedgerAccounts(ledger).create(NewAgent(name="alice", budget=10 * PLAN.hold))
            await LedgerAccounts(ledger).create(NewAgent(name="bob", budget=1))
            holds = [await ledger.reserve(make_call(), PLAN) for _ in range(2)]
            for hold in holds:
                await ledger.settle(hold, make_outcome(), None)
            call = make_call(principal=make_principal("bob"))
            with pytest.raises(Exception, match="budget") as caught:
                await ledger.reserve(call, PLAN)
            await ledger.deny(call, caught.value)
            return [*(hold.execution for hold in holds), caught.value.execution]

    return trio.run(fill)


@pytest.fixture
def aexl(tmp_path, executions):
    host = FakeHost(tmp_path, config=FakeConfig(OPTIONS))
    host.services = {Executions: Correcting(tmp_path / "ledger.db")}
    session = FakeSession(host)
    return lambda *arguments: run_command(app, session, *arguments)


def test_show_lists_executions_with_states_and_cost(aexl, executions):
    out = aexl("show").out
    assert out.index(executions[2]) < out.index(executions[1]) < out.index(executions[0])
    assert "reserving > reserved > dispatched > committed  0.00005" in out
    assert "denied" in out
    assert "insufficient_budget" in out
    only = aexl("show", "--agent", "alice", "--limit", "1", "--json").json()
    assert [(each["id"], each["cost_usd"]) for each in only] == [(executions[1], "0.00005")]


def test_show_has_what_the_runs_of_an_agent_did_and_says_who_never_was(tmp_path, aexl):
    async def run() -> str:
        async with (ledger := Ledger(tmp_path / "ledger.db", OPTIONS, threaded=False)).running():
            for name, parent in (("team", None), ("team:run-1", "team"), ("idle", None)):
                await LedgerAccounts(ledger).create(NewAgent(name=name, parent=parent, budget=10 * PLAN.hold))
            hold = await ledger.reserve(make_call(principal=make_principal("team:run-1")), PLAN)
            await ledger.settle(hold, make_outcome(), None)
            return hold.execution

    made = trio.run(run)
    assert [each["id"] for each in aexl("show", "--agent", "team", "--json").json()] == [made]
    assert aexl("show", "--agent", "idle").out == "idle has no executions yet.\n"
    unknown = aexl("show", "--agent", "nobody")
    assert (unknown.code, "there is no agent 'nobody'" in unknown.err) == (4, True)


def test_show_tells_everything_of_one(aexl, executions):
    out = aexl("show", executions[0]).out
    assert "set aside      0.0021 USD" in out
    assert "usage          input_tokens=10 output_tokens=20" in out
    assert aexl("show", executions[0], "--json").json()["state"] == "committed"
    missing = aexl("show", "nothing")
    assert (missing.code, "no execution 'nothing'" in missing.err) == (4, True)
    assert aexl("show", executions[0], "--agent", "bob").code == 4


def test_tail_shows_the_last_events(aexl):
    lines = aexl("tail", "-n", "2").out.splitlines()
    assert len(lines) == 2
    assert "execution.committed" in lines[0]
    assert "amount=0.00005USD" in lines[0]
    events = [json.loads(line) for line in aexl("tail", "--json").out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, 8))


def test_export_and_verify_agree(aexl, tmp_path):
    out = tmp_path / "ledger.jsonl"
    assert aexl("export", "--out", str(out)).out == f"Wrote 7 events to {out}.\n"
    with out.open("rb") as lines:
        chain = check_export(lines)
    verified = aexl("verify")
    assert verified.code == 0
    assert f"7:{chain.hash.hex()}" in verified.out
    assert aexl("verify", "--export", str(out)).out == verified.out
    assert aexl("verify", "--json").json()["ok"] is True
    again = aexl("export", "--out", str(out))
    assert (again.code, "exists already" in again.err) == (2, True)
    assert len(aexl("export", "--after", "5").out.splitlines()) == 2
    nowhere = aexl("export", "--out", str(tmp_path / "none" / "ledger.jsonl"))
    assert (nowhere.code, "ledger.jsonl cannot be written: No such file or directory" in nowhere.err) == (6, True)


def test_verify_names_the_first_bad_event_and_ends_with_1(aexl, tmp_path):
    out = tmp_path / "ledger.jsonl"
    aexl("export", "--out", str(out))
    out.write_bytes(out.read_bytes().replace(b'"seq":4', b'"seq":9'))
    done = aexl("verify", "--export", str(out))
    assert done.code == 1
    assert done.out.startswith("BAD: the first bad event is 4 ")
    assert aexl("verify", "--export", str(out), "--json").json()["first_bad"] == 4
    assert aexl("verify", "--export", str(tmp_path / "none")).code == 6


def test_verify_without_a_ledger_says_how_to_get_one(tmp_path):
    done = run_command(app, FakeSession(FakeHost(tmp_path)), "verify")
    assert (done.code, "aexl serve" in done.err) == (6, True)


def test_replay_tells_a_life_as_a_person_reads_it(aexl, executions):
    out = aexl("replay", executions[0]).out
    assert "alice asked for test-model (chat): 0.0021 USD were set aside for up to 1000 output tokens" in out
    assert "it cost 0.00005 USD, as the provider said (usage)" in out
    assert [event["kind"] for event in aexl("replay", executions[2], "--json").json()] == ["execution.denied"]
    assert aexl("replay", "nothing").code == 4


def test_correct_books_what_an_invoice_says(aexl, executions):
    done = aexl("correct", executions[0], "0.0001", "--reason", "invoice")
    assert done.out.startswith(f"Booked 0.0001 USD for {executions[0]}; the receipt is 8:")
    assert "it was corrected from 0.00005 to 0.0001 USD: invoice" in aexl("replay", executions[0]).out
    assert aexl("show", executions[0], "--json").json()["cost_usd"] == "0.0001"
    assert aexl("verify").code == 0
    assert aexl("correct", executions[2], "1", "--reason", "x").code == Conflict.exit_code
    assert aexl("correct", executions[0], "-1", "--reason", "x").code == 2
    assert aexl("correct", executions[0], "1e3", "--reason", "x").code == 2
    assert "needs a reason" in aexl("correct", executions[0], "1", "--reason", " ").err


def test_readers_work_beside_a_writer(aexl, tmp_path):
    async def beside() -> None:
        async with (ledger := Ledger(tmp_path / "ledger.db", OPTIONS)).running():
            hold = await ledger.reserve(make_call(), PLAN)
            shown = await trio.to_thread.run_sync(aexl, "show", hold.execution)
            assert "dispatched" in shown.out
            verified = await trio.to_thread.run_sync(aexl, "verify")
            assert verified.code == 0
            await ledger.settle(hold, make_outcome(), None)

    trio.run(beside)


def test_progress_is_for_terminals_only(capsys):
    with Progress("Verifying", "events") as progress:
        progress.show(1, 2)
    assert capsys.readouterr().err == ""
    assert progress.text(1, 2, 0.5) == "Verifying [############............] 1 of 2 events, 2/s"
