"""What the ledger hears of runs."""

from __future__ import annotations

import msgspec
import pytest

from aexl.api import Journal
from aexl_pipelines.governing.events import record_undo
from aexl_pipelines.governing.governor import LedgerGovernor
from aexl_pipelines.journal.records import GateDecided, Noted, RunEnded, RunResumed, StepLink, Verdict

DECIDED = GateDecided(
    at=2.0, step="look", gate="g1", kind="pause", verdict=Verdict(choice="reject", reason="my secret", by="terminal")
)


@pytest.fixture(params=["http://127.0.0.1:9000", None])
def governor(request, host):
    return LedgerGovernor(host, url=request.param, agent=None, is_driven=bool)


async def test_begin_decisions_and_end_of_a_run_are_in_the_ledger_governed_or_not(governor, ledger, begin):
    async with governor.run(begin(), None) as run:
        await run.record(msgspec.structs.replace(begin(), prompt="my secret", digest="d1", agent=run.agent))
        await run.record(RunResumed(at=2.0, from_step="look"))
        await run.record(DECIDED)
        await run.record(Noted(at=2.0, text="my secret"))
        await run.record(
            RunEnded(at=3.0, status="rejected", exit_code=5, message="my secret", step="look", booked=70, duration=1.5)
        )
    assert [(kind, subject) for kind, subject, _ in ledger.events] == [
        ("pipelines.begin", "r1"),
        ("pipelines.resume", "r1"),
        ("pipelines.gate", "r1"),
        ("pipelines.end", "r1"),
    ]
    _, resumed, gate, end = (data for _, _, data in ledger.events)
    assert resumed["from"] == "look"
    assert gate == {"step": "look", "gate": "g1", "kind": "pause", "choice": "reject", "by": "terminal"}
    assert end == {"status": "rejected", "step": "look", "files": 0, "milliseconds": 1500, "booked": 70}
    assert "secret" not in str(ledger.events)


async def test_a_child_run_names_its_parent(governor, ledger, begin):
    async with governor.run(begin(), None) as run:
        await run.record(msgspec.structs.replace(begin(), parent=StepLink(run="r0", step="call")))
    assert ledger.events[0][2]["parent"] == "r0"


async def test_a_dry_run_is_no_event(host, ledger, begin):
    governor = LedgerGovernor(host, url=None, agent=None, is_driven=bool)
    async with governor.run(begin(dry_run=True), None) as run:
        await run.record(DECIDED)
    assert ledger.events == []


async def test_without_a_ledger_nothing_is_recorded(governor, host, begin):
    del host.services[Journal]
    async with governor.run(begin(), None) as run:
        await run.record(DECIDED)


async def test_an_undo_is_an_event(host, ledger):
    await record_undo(host.service(Journal), "r1", None, {"to": "ab" * 32, "files": 3})
    await record_undo(host.service(Journal), "r1", "fix", {"to": "ab" * 32, "files": 1})
    assert [(kind, data["step"], data["files"]) for kind, _, data in ledger.events] == [
        ("pipelines.undo", "", 3),
        ("pipelines.undo", "fix", 1),
    ]
