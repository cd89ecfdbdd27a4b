"""Deployments that wait: decided once, by somebody else than who asked, here or in the queue of all gates."""

from __future__ import annotations

import logging

import msgspec
import pytest
import trio

from aexl.api import Answered, Gates, Service
from aexl.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.gates import FakeGates
from aexl_plane.deployments.actors import Actor, check_decider
from aexl_plane.deployments.rules import REASON
from aexl_plane.deployments.validation import SnapshotRefused
from aexl_plane.storage.deployments import WAITING

OTHER = Actor("anna@acme.example", "us_other")


class GatesPlugin(Plugin):
    def __init__(self, gates):
        self._gates = gates

    @hookimpl
    def aexl_services(self, host):
        return [Service(role=Gates, instance=self._gates)]


@pytest.fixture
def gates():
    """Who plays ``Gates``: nobody."""


@pytest.fixture
async def plane(home, run_plane, handlers, gates):
    more = [] if gates is None else [GatesPlugin(gates)]
    async with run_plane(home, "", ("snapshots", "ledger"), handlers, more) as made:
        yield made


async def add_user(deployer, email, *scopes):
    plane, token = deployer.client.plane, deployer.client.token
    made = await plane.json("POST", "/api/v1/users", token, json={"email": email, "scopes": scopes}, status=201)
    return Actor(email, made["id"])


@pytest.fixture
async def anna(deployer):
    """Somebody else who may decide."""
    return await add_user(deployer, OTHER.who, "admin")


async def approve(deployer, actor, made, reason=""):
    return await deployer.deployments.approve(actor, deployer.project, made.id, reason=reason)


async def reject(deployer, actor, made, reason=""):
    return await deployer.deployments.reject(actor, deployer.project, made.id, reason=reason)


async def test_a_deployment_to_prod_waits_and_serves_once_it_is_approved(deployer, anna):
    waiting = await deployer.deploy("prod")
    assert (waiting.status, waiting.decided) == ("waiting", None)
    with pytest.raises(NotFound, match="nothing is deployed to prod yet"):
        await deployer.serving("prod")
    made = await approve(deployer, anna, waiting, "looked at it")
    assert (made.status, made.decided_by, made.reason) == ("active", anna.who, "looked at it")
    assert await deployer.serving("prod") == made
    told = await deployer.told()
    assert [kind for kind, _ in told] == ["deployment_waiting", "deployed"]
    assert told[-1][1]["approved_by"] == anna.who


async def test_a_rejected_one_never_serves(deployer, anna):
    waiting = await deployer.deploy("prod", reason="please")
    made = await reject(deployer, anna, waiting, "not on a Friday")
    assert (made.status, made.decided_by, made.reason) == ("rejected", anna.who, "not on a Friday")
    with pytest.raises(NotFound):
        await deployer.serving("prod")
    await approve(deployer, anna, await deployer.deploy("prod"))
    with pytest.raises(Invalid, match="has never served prod"):
        await deployer.deployments.rollback(deployer.actor, deployer.project, "prod", made.id)
    data = dict(await deployer.told())["deployment_rejected"]
    assert (data["rejected_by"], data["reason"]) == (anna.who, "not on a Friday")


async def waiting_of(deployer, environment="prod"):
    return (await deployer.deployments.environments.get(deployer.project, environment)).waiting


async def test_the_first_decision_counts(deployer, anna):
    waiting = await deployer.deploy("prod")
    await reject(deployer, anna, waiting)
    for again in (approve, reject):
        with pytest.raises(Conflict, match=f"does not wait for approval: it was rejected by {anna.who}"):
            await again(deployer, anna, waiting)


async def test_of_approve_and_reject_at_once_one_counts(deployer, anna):
    bert = await add_user(deployer, "bert@acme.example", "admin")
    for _ in range(5):
        waiting, outcomes = await deployer.deploy("prod"), []

        async def decide(how, actor, waiting=waiting, outcomes=outcomes):
            try:
                outcomes.append((await how(deployer, actor, waiting)).status)
            except Conflict:
                outcomes.append("conflict")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(decide, approve, anna)
            nursery.start_soon(decide, reject, bert)
        now = await deployer.deployments.get(deployer.project, waiting.id)
        assert sorted(outcomes) == sorted(["conflict", now.status])


async def test_who_asked_does_not_approve_where_somebody_else_may(deployer, anna):
    waiting = await deployer.deploy("prod")
    with pytest.raises(Refused) as refused:
        await approve(deployer, deployer.actor, waiting)
    assert (refused.value.status, refused.value.code) == (403, "needs_another_approver")
    with pytest.raises(Refused):
        await approve(deployer, Actor("ci", "0123456789abcdef"), waiting)
    assert (await deployer.deployments.get(deployer.project, waiting.id)).status == "waiting"
    assert (await reject(deployer, deployer.actor, waiting, "changed my mind")).status == "rejected"


async def test_the_only_one_who_may_admin_approves_what_they_asked_for(deployer):
    await add_user(deployer, "reader@acme.example", "read", "write")
    waiting = await deployer.deploy("prod")
    assert (await approve(deployer, deployer.actor, waiting)).status == "active"


@pytest.mark.parametrize(
    ("asker", "decider", "others", "may"),
    [
        ("us_1", "us_2", 1, True),
        ("us_1", "us_1", 1, False),
        ("us_1", "us_1", 0, True),
        ("us_1", "token", 1, False),
        ("us_1", "", 1, True),
        ("token", "us_1", 1, True),
        ("token", "other", 1, True),
        ("token", "token", 1, False),
    ],
)
def test_who_may_decide(waiting_record, asker, decider, others, may):
    waiting = msgspec.structs.replace(waiting_record, asker=asker)
    if may:
        check_decider(Actor("x", decider), waiting, others)
    else:
        with pytest.raises(Refused):
            check_decider(Actor("x", decider), waiting, others)


async def test_an_older_one_stays_decidable_and_what_is_approved_last_serves(deployer, anna):
    older = await deployer.deploy("prod")
    newer = await deployer.deploy("prod", snapshot=await deployer.snapshot("2"))
    assert [each.id for each in await waiting_of(deployer)] == [older.id, newer.id]
    await approve(deployer, anna, newer)
    assert (await deployer.serving("prod")).id == newer.id
    await approve(deployer, anna, older)
    assert (await deployer.serving("prod")).id == older.id
    assert (await deployer.deployments.rollback(deployer.actor, deployer.project, "prod")).snapshot == newer.snapshot


async def canary_beside(deployer, anna):
    """Let prod serve something, and a canary of something else beside it; return both."""
    await deployer.deploy()
    promoted = await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "prod")
    assert promoted.status == "waiting"
    await approve(deployer, anna, promoted)
    canary = await deployer.deploy("prod", snapshot=await deployer.snapshot("2"), weight=10)
    assert canary.status == "waiting"
    await approve(deployer, anna, canary)
    standing = await deployer.deployments.environments.get(deployer.project, "prod")
    assert (standing.active.id, standing.canary.id) == (promoted.id, canary.id)
    return promoted, canary


async def test_a_promotion_and_a_canary_wait_too_and_a_rollback_does_not(deployer, anna):
    promoted, canary = await canary_beside(deployer, anna)
    await approve(deployer, anna, await deployer.deploy("prod", snapshot=canary.snapshot))
    back = await deployer.deployments.rollback(deployer.actor, deployer.project, "prod", promoted.id)
    assert (back.status, back.snapshot) == ("active", promoted.snapshot)


async def test_a_share_that_was_approved_does_not_become_the_whole_by_a_rollback(deployer, anna):
    promoted, canary = await canary_beside(deployer, anna)
    rollback = deployer.deployments.rollback
    with pytest.raises(Conflict, match="approved for 10 % of the requests to prod, and not for all"):
        await rollback(deployer.actor, deployer.project, "prod", canary.id)
    await rollback(deployer.actor, deployer.project, "prod")
    with pytest.raises(Conflict, match="and not for all"):
        await rollback(deployer.actor, deployer.project, "prod", canary.id)
    assert (await deployer.serving("prod")).id == promoted.id


async def test_where_nothing_needs_approval_a_rollback_may_go_to_what_was_a_canary(deployer):
    await deployer.deploy()
    canary = await deployer.deploy(snapshot=await deployer.snapshot("2"), weight=10)
    back = await deployer.deployments.rollback(deployer.actor, deployer.project, "dev", canary.id)
    assert (back.status, back.weight, back.snapshot) == ("active", 100, canary.snapshot)


async def test_so_many_may_wait(deployer):
    for _ in range(WAITING):
        last = await deployer.deploy("prod")
    with pytest.raises(Conflict, match=f"{WAITING} deployments to prod wait for approval already"):
        await deployer.deploy("prod")
    await reject(deployer, deployer.actor, last)
    await deployer.deploy("prod")


async def test_one_whose_runtime_has_gone_waits_on(deployer, handlers, anna):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py312"))
    waiting = await deployer.deploy("prod", runtime="py312")
    gone = handlers.offers.pop()
    with pytest.raises(SnapshotRefused, match="there is no runtime 'py312' here; there are builtin"):
        await approve(deployer, anna, waiting)
    assert [each.id for each in await waiting_of(deployer)] == [waiting.id]
    handlers.offers.append(gone)
    assert (await approve(deployer, anna, waiting)).status == "active"


async def test_a_reason_of_a_decision_has_a_length(deployer):
    waiting = await deployer.deploy("prod")
    with pytest.raises(Invalid, match=f"the reason has {REASON + 1} characters"):
        await approve(deployer, deployer.actor, waiting, "x" * (REASON + 1))
    assert len((await approve(deployer, deployer.actor, waiting, "x" * REASON)).reason) == REASON


class TestInTheQueueOfAllGates:
    """Somebody keeps a queue."""

    @pytest.fixture
    def gates(self):
        return FakeGates()

    async def decided(self, deployer, made, status):
        """Wait until a deployment has a status."""
        with trio.fail_after(30):
            while (now := await deployer.deployments.get(deployer.project, made.id)).status != status:
                await trio.lowlevel.checkpoint()
        return now

    async def test_it_is_asked_there_and_an_answer_there_counts(self, deployer, gates):
        waiting = await deployer.deploy("prod", reason="the fix")
        question = gates.asked[waiting.id]
        assert question.text == (
            f"owner@acme.example asks to deploy snapshot {waiting.snapshot[:16]} to prod of acme/main/demo: the fix"
        )
        assert (question.subject, question.asked) == ("prod", waiting.created)
        assert question.detail["snapshot"] == waiting.snapshot
        await gates.answer(question, Answered(choice="approve", by="cli:root", reason="fine"))
        made = await self.decided(deployer, waiting, "active")
        assert (made.decided_by, made.reason) == ("cli:root", "fine")
        assert await deployer.serving("prod") == made

    async def test_a_rejection_there_counts(self, deployer, gates):
        waiting = await deployer.deploy("prod")
        await gates.answer(gates.asked[waiting.id], Answered(choice="reject", by="cli:root", reason="no"))
        assert (await self.decided(deployer, waiting, "rejected")).reason == "no"

    async def test_a_decision_here_closes_it_there(self, deployer, gates, anna):
        for how, choice in ((approve, "approve"), (reject, "reject")):
            waiting = await deployer.deploy("prod")
            await how(deployer, anna, waiting, "looked")
            assert gates.answers[waiting.id] == Answered(choice=choice, by=anna.who, reason="looked")

    async def test_who_may_not_decide_closes_nothing_there(self, deployer, gates, anna):
        waiting = await deployer.deploy("prod")
        with pytest.raises(Refused):
            await approve(deployer, deployer.actor, waiting)
        assert gates.answers == {}

    async def test_who_is_slower_than_the_queue_is_told(self, deployer, gates, anna):
        waiting = await deployer.deploy("prod")
        async with trio.open_nursery() as nursery:
            outcomes = []

            async def here():
                try:
                    await reject(deployer, anna, waiting)
                except Conflict as error:
                    outcomes.append(str(error))

            nursery.start_soon(here)
            gates.answers[waiting.id] = Answered(choice="approve", by="cli:root")
            gates._wake()
        made = await self.decided(deployer, waiting, "active")
        assert made.decided_by == "cli:root"
        [told] = outcomes
        assert "cli:root" in told

    async def test_what_cannot_be_done_is_asked_again_with_the_reason(self, deployer, gates, handlers):
        handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py312"))
        waiting = await deployer.deploy("prod", runtime="py312")
        gone, first = handlers.offers.pop(), gates.asked[waiting.id]
        await gates.answer(first, Answered(choice="approve", by="cli:root"))
        with trio.fail_after(30):
            while gates.asked[waiting.id] == first:
                await trio.lowlevel.checkpoint()
        again = gates.asked[waiting.id]
        assert again.detail["before"].startswith("cli:root said approve, and it could not be done:")
        assert "py312" in again.detail["before"]
        handlers.offers.append(gone)
        await gates.answer(again, Answered(choice="approve", by="cli:root"))
        await self.decided(deployer, waiting, "active")

    async def test_a_queue_that_fails_for_a_while_stops_nothing(self, deployer, gates, anna, monkeypatch, caplog):
        monkeypatch.setattr("aexl_plane.deployments.approvals.LONGEST", 0.01)
        caplog.set_level(logging.WARNING)
        ask, failures = gates.ask, [Unavailable("the disk is full"), Invalid("the file is damaged")]

        async def broken(question):
            if failures:
                raise failures.pop()
            await ask(question)

        monkeypatch.setattr(gates, "ask", broken)
        waiting = await deployer.deploy("prod")
        with trio.fail_after(30):
            while waiting.id not in gates.asked:
                await trio.sleep(0.01)
        assert "the disk is full" in caplog.text
        assert (await approve(deployer, anna, waiting)).status == "active"
        assert gates.answers[waiting.id].by == anna.who

    async def test_an_answer_is_carried_out_as_soon_as_it_can_be(self, deployer, gates, handlers, monkeypatch):
        waiting = await deployer.deploy("prod")
        runtimes, failures = handlers.runtimes, [Unavailable("the host is starting")]

        async def starting():
            if failures:
                raise failures.pop()
            return await runtimes()

        monkeypatch.setattr("aexl_plane.deployments.approvals.SHORTEST", 0.01)
        monkeypatch.setattr(handlers, "runtimes", starting)
        await gates.answer(gates.asked[waiting.id], Answered(choice="approve", by="cli:root"))
        await self.decided(deployer, waiting, "active")

    async def test_what_waits_is_asked_again_after_a_restart(self, home, run_plane, handlers, make_client):
        first, second = FakeGates(), FakeGates()
        async with run_plane(home, "", ("snapshots",), handlers, [GatesPlugin(first)]) as plane:
            client = make_client(plane, await plane.tenant())
            await client.put("entry_point.py", b"1")
            deployments, project = plane.assembly.deployments, client.made.project.id
            waiting = await deployments.deploy(OTHER, project, "prod")
        assert first.asked[waiting.id]
        second.asked, second.answers = first.asked, {waiting.id: Answered(choice="approve", by="cli:root")}
        async with run_plane(home, "", ("snapshots",), handlers, [GatesPlugin(second)]) as plane:
            with trio.fail_after(30):
                while (await plane.assembly.deployments.get(project, waiting.id)).status == "waiting":
                    await trio.lowlevel.checkpoint()
            assert (await plane.assembly.deployments.serving(project, "prod")).id == waiting.id

    async def test_what_was_decided_without_the_queue_is_taken_from_it(self, deployer, gates, caplog):
        caplog.set_level(logging.WARNING)
        waiting = await deployer.deploy("prod")
        question = gates.asked[waiting.id]
        decisions = deployer.deployments._decisions
        await decisions.apply(waiting, Answered(choice="reject", by="elsewhere"))
        await gates.answer(question, Answered(choice="approve", by="cli:root"))
        with trio.fail_after(30):
            while "in vain" not in caplog.text:
                await trio.lowlevel.checkpoint()
        assert (await deployer.deployments.get(deployer.project, waiting.id)).status == "rejected"
