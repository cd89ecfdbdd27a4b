"""A gate to put in the real one's place, and the promises that every gate keeps."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import trio
import trio.testing

from aexl.api import Admission, Call, Headers, Lease, Outcome, Plan, Reloadable, Reviser
from aexl.errors import Refused
from aexl.testing.factories import make_call, make_outcome, make_plan
from aexl.testing.host import FakeConfig

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CODE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


class FakeLease:
    """Remembers how it was closed.

    Attributes:
        closed: The outcomes ``close`` was given; more than one is an error.
    """

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.closed: list[Outcome | None] = []

    def close(self, outcome: Outcome | None) -> None:
        assert not self.closed, "a lease is closed exactly once"
        self.closed.append(outcome)


class FakeGate:
    """Lets every call in, or refuses every call, and remembers them.

    Args:
        name: What the host calls it.
        refuse: What ``admit`` raises: an error, or a reason for a ``Refused`` with code ``fake_refused`` and status 403.
        refuse_early: The same for ``revise``.
        change: What ``revise`` makes of a call.
        headers: Headers of every lease.
        wait: ``admit`` waits for this event first.

    Attributes:
        revised: The calls ``revise`` was given.
        admitted: The calls and plans ``admit`` was given.
        leases: One for each call that was let in.
    """

    def __init__(
        self,
        *,
        name: str = "fake-gate",
        refuse: Exception | str | None = None,
        refuse_early: Exception | str | None = None,
        change: Callable[[Call], Call] | None = None,
        headers: Headers = (),
        wait: trio.Event | None = None,
    ) -> None:
        self.name = name
        self.refuse = refuse
        self.refuse_early = refuse_early
        self.change = change
        self.headers = headers
        self.wait = wait
        self.revised: list[Call] = []
        self.admitted: list[tuple[Call, Plan]] = []
        self.leases: list[FakeLease] = []

    @property
    def open(self) -> int:
        """How many leases have not been closed yet."""
        return sum(1 for lease in self.leases if not lease.closed)

    async def revise(self, call: Call) -> Call:
        self.revised.append(call)
        _raise(self.refuse_early)
        return self.change(call) if self.change is not None else call

    async def admit(self, call: Call, plan: Plan) -> Lease | None:
        self.admitted.append((call, plan))
        if self.wait is not None:
            await self.wait.wait()
        _raise(self.refuse)
        lease = FakeLease(self.headers)
        self.leases.append(lease)
        return lease


def _raise(refusal: Exception | str | None) -> None:
    if isinstance(refusal, str):
        raise Refused(refusal, code="fake_refused", status=403)
    if refusal is not None:
        raise refusal


class AdmissionConformance:
    """What the host relies on. Derive a class named ``Test…`` and give it a fixture ``gate``.

    The fixture returns an ``Admission`` that is ready for use (``prepare`` has
    been called where it has one). Override the methods below to tell the suite
    which calls the gate lets in, refuses, and lets wait.
    """

    def passing(self) -> tuple[Call, Plan]:
        """Return a call that the gate lets in at once, however many of it run or have run."""
        return make_call(), make_plan()

    def refused(self) -> tuple[Call, Plan] | None:
        """Return a call that the gate refuses in ``revise`` or ``admit``; ``None`` if it refuses none."""
        return None

    def waiting(self) -> tuple[Call, Plan] | None:
        """Return a call of which a second one waits until the first one's lease is closed; ``None`` if none waits."""
        return None

    async def test_the_name_is_lower_case_words_joined_by_hyphens(self, gate: Admission) -> None:
        assert _NAME.fullmatch(gate.name)

    async def test_an_ordinary_call_is_let_in_and_settled(self, gate: Admission) -> None:
        lease = await enter(gate, *self.passing())
        if lease is not None:
            _check_headers(lease.headers)
            lease.close(make_outcome())

    async def test_a_call_that_never_reached_a_provider_is_given_back(self, gate: Admission) -> None:
        for _ in range(100):
            close(await enter(gate, *self.passing()), None)

    async def test_calls_are_let_in_from_many_tasks_at_once(self, gate: Admission) -> None:
        leases: list[Lease | None] = []

        async def one() -> None:
            leases.append(await enter(gate, *self.passing()))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
        for lease in leases:
            close(lease, make_outcome())
        assert len(leases) == 20

    async def test_revising_keeps_who_asks_and_what_was_asked(self, gate: Admission) -> None:
        if not isinstance(gate, Reviser):
            pytest.skip("the gate does not revise calls")
        call, _ = self.passing()
        revised = await gate.revise(call)
        kept = ("id", "keyed", "principal", "surface", "method", "path", "fingerprint", "received", "deadline")
        assert [getattr(revised, name) for name in kept] == [getattr(call, name) for name in kept]

    async def test_a_refusal_says_why_and_names_its_rule(self, gate: Admission) -> None:
        refused = self.refused()
        if refused is None:
            pytest.skip("the gate refuses nothing")
        with pytest.raises(Refused) as caught:
            await enter(gate, *refused)
        assert caught.value.reason
        assert _CODE.fullmatch(caught.value.code)
        assert 400 <= caught.value.status <= 599

    async def test_a_refused_call_takes_nothing_from_the_next(self, gate: Admission) -> None:
        refused = self.refused()
        if refused is None:
            pytest.skip("the gate refuses nothing")
        for _ in range(20):
            with pytest.raises(Refused):
                await enter(gate, *refused)
        close(await enter(gate, *self.passing()), make_outcome())

    async def test_a_call_cancelled_before_its_turn_holds_nothing(self, gate: Admission) -> None:
        call, plan = self.waiting() or self.passing()
        with trio.CancelScope() as scope:
            scope.cancel()
            close(await enter(gate, call, plan), None)
        close(await enter(gate, call, plan), None)

    async def test_a_waiting_call_is_let_in_when_the_first_one_ends(self, gate: Admission) -> None:
        waiting = self.waiting()
        if waiting is None:
            pytest.skip("no call waits at the gate")
        first = await enter(gate, *waiting)
        seen: list[str] = []

        async def second() -> None:
            lease = await enter(gate, *waiting)
            seen.append("second")
            close(lease, make_outcome())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(second)
            await trio.testing.wait_all_tasks_blocked()
            seen.append("first")
            close(first, make_outcome())
        assert seen == ["first", "second"]

    async def test_a_call_cancelled_while_waiting_holds_nothing(self, gate: Admission) -> None:
        waiting = self.waiting()
        if waiting is None:
            pytest.skip("no call waits at the gate")
        first = await enter(gate, *waiting)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(enter, gate, *waiting)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        close(first, make_outcome())
        with trio.fail_after(5):
            close(await enter(gate, *waiting), None)

    async def test_a_reload_leaves_running_calls_alone(self, gate: Admission) -> None:
        if not isinstance(gate, Reloadable):
            pytest.skip("the gate does not follow the configuration")
        lease = await enter(gate, *self.passing())
        swap = await gate.prepare(FakeConfig())
        swap()
        close(lease, make_outcome())
        close(await enter(gate, *self.passing()), make_outcome())


async def enter(gate: Admission, call: Call, plan: Plan) -> Lease | None:
    """Take a call through a gate as the host does: ``revise`` where the gate has it, then ``admit``."""
    if isinstance(gate, Reviser):
        call = await gate.revise(call)
    return await gate.admit(call, plan)


def close(lease: Lease | None, outcome: Outcome | None) -> None:
    """Close a lease, if there is one."""
    if lease is not None:
        lease.close(outcome)


def _check_headers(headers: Headers) -> None:
    for name, value in headers:
        assert isinstance(name, bytes)
        assert name == name.lower()
        assert isinstance(value, bytes)
        assert b"\n" not in value


def _conforms(gate: FakeGate) -> Admission:
    return gate
