"""The call path, with fakes in every place."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio.testing

from aexl.api import CallAdmitted, CallDenied, CallSettled, Ending, Usage
from aexl.core.calls.options import CallOptions
from aexl.core.calls.path import MOST_PARKED, CallPath
from aexl.errors import ProviderFailed, Refused
from aexl.testing.admission import FakeGate
from aexl.testing.book import FakeBook
from aexl.testing.dispatcher import FakeDispatcher
from aexl.testing.factories import CHEAP, make_call
from aexl.testing.provider import FakeProvider, FakeReply

USED = Usage(input_tokens=5, output_tokens=3)


class Setting:
    """A call path with fakes, and what it published."""

    def __init__(self, *replies, gates=(), book=None, dispatcher=None, **options):
        self.events = []
        self.book = book if book is not None else FakeBook()
        self.dispatcher = dispatcher or FakeDispatcher()
        self.provider = FakeProvider(*replies)
        self.path = CallPath(
            gates=gates,
            book=self.book,
            dispatcher=self.dispatcher,
            publish=self.events.append,
            options=CallOptions(**options),
        )
        self.path.providers = {"fake": self.provider}

    @asynccontextmanager
    async def running(self):
        async with trio.open_nursery() as nursery:
            await nursery.start(self.path.serve)
            yield self.path
            await self.path.drain(5)
            nursery.cancel_scope.cancel()

    @property
    def outcome(self):
        [(_, outcome, _)] = self.book.settled
        return outcome


async def read(answer):
    return b"".join([chunk async for chunk in answer.chunks])


def failed(charged):
    return ProviderFailed("no", code="upstream_unreachable", status=502, charged=charged)


async def test_a_json_answer_is_not_given_while_its_settlement_is_not_durable(autojump_clock):
    durable = trio.Event()

    class Slow(FakeBook):
        async def settle(self, hold, outcome, answer):
            await durable.wait()
            return await super().settle(hold, outcome, answer)

    setting = Setting(FakeReply(usage=USED), book=Slow())
    async with setting.running() as path, trio.open_nursery() as nursery:
        given = []

        async def client():
            async with path.call(make_call()) as answer:
                given.append(answer.booked)

        nursery.start_soon(client)
        await trio.sleep(60)
        assert given == []
        durable.set()
    assert given[0].amount == CHEAP.cost(USED)


async def test_a_json_answer_is_settled_before_it_is_given():
    setting = Setting(FakeReply(chunks=(b'{"a"', b":1}"), usage=USED))
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.booked.amount == CHEAP.cost(USED)
        assert (answer.status, answer.stream, answer.replayed) == (200, False, False)
        assert await read(answer) == b'{"a":1}'
    assert setting.outcome.ending is Ending.COMPLETED


async def test_a_stream_arrives_before_it_is_settled_and_ends_after():
    gate = trio.Event()
    reply = FakeReply(chunks=(b"data: 1\n\n", b"data: 2\n\n"), usage=USED, chunk_waits={1: gate})
    setting = Setting(reply)
    async with setting.running() as path, path.call(make_call(stream=True)) as answer:
        assert answer.stream
        assert answer.booked is None
        assert await answer.chunks.receive() == b"data: 1\n\n"
        gate.set()
        assert await read(answer) == b"data: 2\n\n"
        assert answer.booked.amount == CHEAP.cost(USED)


async def test_gates_are_passed_in_order_and_their_leases_closed_with_the_outcome():
    one, two = FakeGate(name="one", headers=((b"x-limit", b"1"),)), FakeGate(name="two")
    setting = Setting(FakeReply(usage=USED, headers=((b"x-own", b"o"),)), gates=[one, two])
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.headers == [(b"x-own", b"o"), (b"x-limit", b"1")]
    assert [lease.closed for gate in (one, two) for lease in gate.leases] == [[setting.outcome]] * 2


async def test_a_provider_header_wins_over_a_gates():
    setting = Setting(FakeReply(headers=((b"x-limit", b"own"),)), gates=[FakeGate(headers=((b"x-limit", b"1"),))])
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.headers == [(b"x-limit", b"own")]


@pytest.mark.parametrize("place", ["refuse", "refuse_early"])
async def test_a_refused_call_is_recorded_and_reaches_no_provider(place):
    first = FakeGate(name="first")
    setting = Setting(gates=[first, FakeGate(**{place: "not today"})])
    call = make_call()
    async with setting.running() as path:
        with pytest.raises(Refused, match="not today") as caught:
            async with path.call(call):
                pytest.fail("the call ran")
    assert caught.value.execution == call.id
    assert caught.value.receipt is not None
    assert [refused for _, refused in setting.book.denied] == [caught.value]
    assert setting.provider.calls == []
    assert all(lease.closed == [None] for lease in first.leases)
    assert isinstance(setting.events[0], CallDenied)


async def test_a_refused_call_has_cost_nothing_and_tells_what_is_left():
    setting = Setting(gates=[FakeGate(refuse="not today")], book=FakeBook({"alice": 7}))
    async with setting.running() as path:
        with pytest.raises(Refused) as caught:
            async with path.call(make_call()):
                pytest.fail("the call ran")
    assert (caught.value.cost, caught.value.remaining) == (0, 7)


async def test_a_call_that_failed_tells_what_was_booked():
    replies = [FakeReply(refuses=failed(charged)) for charged in ("unknown", "no")]
    setting = Setting(*replies, book=FakeBook({"alice": 10**9}))
    async with setting.running() as path:
        told = []
        for call in (make_call(), make_call()):
            with pytest.raises(ProviderFailed) as caught:
                async with path.call(call):
                    pytest.fail("there was an answer")
            told.append((caught.value.cost, caught.value.remaining))
    [(hold, _, _), _] = setting.book.settled
    assert hold.amount > 0
    assert told == [(hold.amount, 10**9 - hold.amount), (0, 10**9 - hold.amount)]


async def test_calls_that_are_interrupted_together_are_told_of_themselves(autojump_clock):
    never = trio.Event()
    setting = Setting(FakeReply(head_waits=never), FakeReply(head_waits=never))
    told = {}

    async def ask(call):
        with pytest.raises(Refused) as caught:
            async with setting.path.call(call):
                pytest.fail("there was an answer")
        told[call.id] = caught.value.execution

    async with setting.running() as path, trio.open_nursery() as nursery:
        calls = [make_call(), make_call()]
        for call in calls:
            nursery.start_soon(ask, call)
        await trio.sleep(1)
        assert path.interrupt("alice", Refused("paused", code="agent_not_ready", status=423)) == 2
    assert len(set(told.values())) == 2


async def test_a_gate_that_raises_anything_denies():
    setting = Setting(gates=[FakeGate(refuse=ZeroDivisionError("bug"))])
    async with setting.running() as path:
        with pytest.raises(Refused, match="ZeroDivisionError") as caught:
            async with path.call(make_call()):
                pytest.fail("the call ran")
    assert (caught.value.status, caught.value.code) == (500, "admission_failed")


async def test_what_a_gate_revises_is_what_is_planned_and_sent():
    def rename(call):
        return msgspec.structs.replace(call, model="other")

    setting = Setting(FakeReply(), gates=[FakeGate(change=rename)])
    async with setting.running() as path, path.call(make_call()):
        pass
    assert setting.provider.calls[0].model == "other"


async def test_without_a_dispatcher_the_call_is_refused_with_what_to_do():
    setting = Setting()
    setting.path.dispatcher = None
    async with setting.running() as path:
        with pytest.raises(Refused, match="enable the catalog"):
            async with path.call(make_call()):
                pytest.fail("the call ran")


async def test_without_a_book_calls_run_and_nothing_is_kept():
    setting = Setting(FakeReply(usage=USED))
    unbooked = CallPath(
        gates=(), book=None, dispatcher=setting.dispatcher, publish=setting.events.append, options=CallOptions()
    )
    unbooked.providers = setting.path.providers
    setting.path = unbooked
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.receipt.seq == 0


async def test_a_target_that_was_never_reached_is_followed_by_the_next():
    setting = Setting(FakeReply(refuses=failed("no")), FakeReply(usage=USED))
    setting.path.providers = {"fake": setting.provider, "second": setting.provider}
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.status == 200
    assert [target.provider for target in setting.provider.targets] == ["fake", "second"]
    assert setting.outcome.target.provider == "second"


async def test_where_attempts_are_not_on_record_a_call_that_may_have_run_is_not_tried_elsewhere_and_costs_its_hold():
    setting = Setting(FakeReply(refuses=failed("unknown")), FakeReply(usage=USED))
    setting.path.retrying = None
    setting.path.providers = {"fake": setting.provider, "second": setting.provider}
    async with setting.running() as path:
        with pytest.raises(ProviderFailed) as caught:
            async with path.call(make_call()):
                pytest.fail("the call ran")
    assert len(setting.provider.calls) == 1
    assert setting.outcome.charge.reason == "lost"
    assert caught.value.execution is not None


async def test_an_unreachable_provider_releases_the_hold():
    setting = Setting(FakeReply(refuses=failed("no")))
    async with setting.running() as path:
        with pytest.raises(ProviderFailed):
            async with path.call(make_call()):
                pytest.fail("the call ran")
    assert setting.outcome.charge.state == "released"


async def test_an_upstream_error_passes_and_releases_the_hold():
    setting = Setting(FakeReply(status=429, chunks=(b"slow down",)))
    async with setting.running() as path, path.call(make_call(stream=True)) as answer:
        assert (answer.status, answer.stream, await read(answer)) == (429, False, b"slow down")
    assert setting.outcome.ending is Ending.REJECTED


async def test_a_cut_stream_is_cut_for_the_reader_and_costs_its_hold():
    setting = Setting(FakeReply(chunks=(b"data: 1\n\n",), cut=failed("unknown")))
    async with setting.running() as path, path.call(make_call(stream=True)) as answer:
        assert await answer.chunks.receive() == b"data: 1\n\n"
        with pytest.raises(ProviderFailed):
            await answer.chunks.receive()
    assert setting.outcome.ending is Ending.CUT


async def test_a_stream_without_an_end_and_without_usage_was_cut():
    setting = Setting(FakeReply(chunks=(b"data: 1\n\n",), finished=False, usage=None))
    async with setting.running() as path, path.call(make_call(stream=True)) as answer:
        await read(answer)
    assert setting.outcome.ending is Ending.CUT


async def test_a_client_that_leaves_is_drained_to_the_usage(autojump_clock):
    gate = trio.Event()
    setting = Setting(FakeReply(chunks=(b"1", b"2"), usage=USED, chunk_waits={1: gate}))
    async with setting.running() as path:
        async with path.call(make_call(stream=True)) as answer:
            await answer.chunks.receive()
        await trio.sleep(1)
        assert path.in_flight == 1
        gate.set()
    assert (setting.outcome.charge.reason, setting.outcome.charge.estimated) == ("usage", False)


async def test_draining_ends_at_its_time_limit_and_books_what_was_seen(autojump_clock):
    setting = Setting(FakeReply(chunks=(b"1", b"2"), chunk_waits={1: trio.Event()}), drain_seconds=7)
    async with setting.running() as path:
        async with path.call(make_call(stream=True)) as answer:
            await answer.chunks.receive()
        left = trio.current_time()
        while path.in_flight:
            await trio.sleep(0.5)
        assert trio.current_time() - left == pytest.approx(7, abs=0.5)
    assert setting.outcome.ending is Ending.LEFT


async def test_draining_ends_at_its_size_limit():
    chunks = tuple(b"x" * 10 for _ in range(20))
    setting = Setting(FakeReply(chunks=chunks), drain_bytes=50)
    async with setting.running() as path, path.call(make_call(stream=True)) as answer:
        await answer.chunks.receive()
    assert setting.outcome.ending in (Ending.LEFT, Ending.COMPLETED)


async def test_on_leave_cancel_ends_the_upstream_at_once(autojump_clock):
    setting = Setting(FakeReply(chunks=(b"1", b"2"), chunk_waits={1: trio.Event()}), on_leave="cancel")
    async with setting.running() as path:
        async with path.call(make_call(stream=True)) as answer:
            await answer.chunks.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert path.in_flight == 0
    assert setting.outcome.ending is Ending.LEFT


async def test_no_more_than_the_allowed_number_of_answers_is_drained(autojump_clock):
    setting = Setting(FakeReply(chunks=(b"1", b"2"), chunk_waits={1: trio.Event()}), drains=1, drain_seconds=100)
    async with setting.running() as path:
        for _ in range(3):
            async with path.call(make_call(stream=True)) as answer:
                await answer.chunks.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert path.in_flight == 1


async def test_a_caller_that_is_cancelled_while_waiting_for_the_head_is_settled_too(autojump_clock):
    gate = trio.Event()
    setting = Setting(FakeReply(head_waits=gate, usage=USED))
    async with setting.running() as path:
        with trio.move_on_after(1):
            async with path.call(make_call()):
                pytest.fail("no head came")
        gate.set()
    assert setting.outcome.ending is Ending.COMPLETED


async def test_a_call_past_its_deadline_ends_with_504_and_costs_its_hold(autojump_clock):
    setting = Setting(FakeReply(head_waits=trio.Event()))
    async with setting.running() as path:
        with pytest.raises(ProviderFailed) as caught:
            async with path.call(make_call(deadline=trio.current_time() + 3)):
                pytest.fail("no head came")
    assert (caught.value.status, caught.value.code) == (504, "call_timeout")
    assert setting.outcome.ending is Ending.LOST


async def test_an_interrupted_stream_ends_with_the_verdict(autojump_clock):
    setting = Setting(FakeReply(chunks=(b"1", b"2"), chunk_waits={1: trio.Event()}))
    verdict = Refused("quarantined", code="agent_not_ready", status=423)
    async with setting.running() as path, path.call(make_call(stream=True)) as answer:
        await answer.chunks.receive()
        assert path.interrupt("bob", verdict) == 0
        assert path.interrupt("alice", verdict) == 1
        with pytest.raises(Refused, match="quarantined"):
            await answer.chunks.receive()
    assert setting.outcome.ending is Ending.LEFT


async def test_the_task_of_an_ended_call_runs_the_next_one():
    tasks = []

    class Watched(FakeProvider):
        def open(self, call, target):
            tasks.append(trio.lowlevel.current_task())
            return super().open(call, target)

    setting = Setting()
    setting.path.providers = {"fake": Watched(*[FakeReply(usage=USED)] * 3)}
    async with setting.running() as path:
        for _ in range(2):
            async with path.call(make_call()) as answer:
                await read(answer)
            await trio.testing.wait_all_tasks_blocked()
        path.interrupt(make_call().principal.agent, Refused("no", code="x", status=423))  # nobody's call runs
        async with path.call(make_call()) as answer:
            assert answer.status == 200
    assert len(tasks) == 3
    assert len(set(tasks)) == 1


async def test_the_end_of_a_call_is_not_that_of_the_next_one_in_its_task(autojump_clock):
    setting = Setting(FakeReply(head_waits=trio.Event()), FakeReply(usage=USED))
    async with setting.running() as path:
        with pytest.raises(ProviderFailed, match="longer than it may"):
            async with path.call(make_call(deadline=trio.current_time() + 3)):
                pytest.fail("no head came")
        await trio.testing.wait_all_tasks_blocked()
        async with path.call(make_call(deadline=trio.current_time() + 3)) as answer:
            assert answer.status == 200
        await trio.sleep(10)
        async with path.call(make_call(deadline=trio.current_time() + 3)) as answer:
            assert answer.status == 200
    assert [outcome.ending for _, outcome, _ in setting.book.settled] == [Ending.LOST, *[Ending.COMPLETED] * 2]


async def test_an_interruption_that_comes_too_late_changes_neither_its_call_nor_the_next(autojump_clock):
    verdict = Refused("quarantined", code="agent_not_ready", status=423)

    class Late(FakeProvider):
        @asynccontextmanager
        async def open(self, call, target):
            async with super().open(call, target) as reply:
                yield reply
            assert setting.path.interrupt("alice", verdict) == 1

    setting = Setting()
    setting.path.providers = {"fake": Late(FakeReply(usage=USED))}
    async with setting.running() as path:
        for _ in range(2):
            async with path.call(make_call()) as answer:
                assert answer.booked.amount == CHEAP.cost(USED)
            await trio.testing.wait_all_tasks_blocked()
    assert [outcome.ending for _, outcome, _ in setting.book.settled] == [Ending.COMPLETED] * 2


async def test_a_call_that_ends_in_a_provider_with_tasks_of_its_own_costs_its_hold(autojump_clock):
    class Busy(FakeProvider):
        @asynccontextmanager
        async def open(self, call, target):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                await trio.sleep_forever()
                yield

    setting = Setting()
    setting.path.providers = {"fake": Busy()}
    async with setting.running() as path:
        with pytest.raises(ProviderFailed, match="longer than it may"):
            async with path.call(make_call(deadline=trio.current_time() + 3)):
                pytest.fail("no head came")
    assert setting.outcome.ending is Ending.LOST
    assert setting.outcome.charge.estimated


async def test_no_more_than_the_allowed_number_of_idle_tasks_is_kept(autojump_clock):
    setting = Setting(*[FakeReply(usage=USED)] * (MOST_PARKED + 2))
    async with trio.open_nursery() as host:
        await host.start(setting.path.serve)
        before = trio.lowlevel.current_statistics().tasks_living

        async def client():
            async with setting.path.call(make_call()) as answer:
                await read(answer)

        async with trio.open_nursery() as clients:
            for _ in range(MOST_PARKED + 2):
                clients.start_soon(client)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living - before == MOST_PARKED
        host.cancel_scope.cancel()


async def test_a_host_that_stops_settles_what_runs(autojump_clock):
    setting = Setting(FakeReply(head_waits=trio.Event()))
    async with trio.open_nursery() as nursery:
        await nursery.start(setting.path.serve)

        async def client():
            with pytest.raises(Refused, match="shutting down"):
                async with setting.path.call(make_call()):
                    pytest.fail("no head came")

        nursery.start_soon(client)
        await trio.testing.wait_all_tasks_blocked()
        await setting.path.drain(3)
        assert setting.path.in_flight == 0
        nursery.cancel_scope.cancel()
    assert setting.outcome.charge.estimated


async def test_a_host_that_is_cancelled_settles_what_runs(autojump_clock):
    setting = Setting(FakeReply(head_waits=trio.Event()))
    async with trio.open_nursery() as nursery:
        await nursery.start(setting.path.serve)

        async def client():
            async with setting.path.call(make_call()):
                pytest.fail("no head came")

        nursery.start_soon(client)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert setting.path.in_flight == 0
    assert setting.outcome.charge.estimated


async def test_a_provider_that_breaks_its_promise_does_not_break_the_host():
    class Broken(FakeProvider):
        def open(self, call, target):
            raise RuntimeError("not a ProviderFailed")

    setting = Setting()
    setting.path.providers = {"fake": Broken()}
    async with setting.running() as path:
        with pytest.raises(ProviderFailed, match="RuntimeError"):
            async with path.call(make_call()):
                pytest.fail("the call ran")
    assert setting.outcome.ending is Ending.LOST


async def test_an_answer_that_cannot_be_booked_is_not_given():
    class Full(FakeBook):
        async def settle(self, hold, outcome, answer):
            raise OSError("disk")

    setting = Setting(FakeReply(chunks=(b"secret answer",)), book=Full())
    async with setting.running() as path:
        with pytest.raises(Refused, match="could not book"):
            async with path.call(make_call()):
                pytest.fail("given without being booked")


async def test_an_answer_longer_than_allowed_is_an_error_and_costs_its_hold():
    setting = Setting(FakeReply(chunks=(b"x" * 60, b"x" * 41)), answer_bytes=100)
    async with setting.running() as path:
        with pytest.raises(ProviderFailed, match="longer than 100 bytes"):
            async with path.call(make_call()):
                pytest.fail("given")


async def test_an_answer_of_exactly_the_allowed_length_is_given():
    setting = Setting(FakeReply(chunks=(b"x" * 60, b"x" * 40)), answer_bytes=100)
    async with setting.running() as path, path.call(make_call()) as answer:
        assert len(await read(answer)) == 100


async def test_a_repeated_key_is_answered_from_the_book():
    setting = Setting(FakeReply(chunks=(b"once",), usage=USED))
    call = make_call(id="key-1", keyed=True)
    async with setting.running() as path:
        async with path.call(call) as first:
            await read(first)
        async with path.call(call) as second:
            assert second.replayed
            assert await read(second) == b"once"
    assert len(setting.provider.calls) == 1


async def test_the_book_hears_what_was_delivered_and_what_was_not():
    setting = Setting(FakeReply(chunks=(b"1",), usage=USED))
    async with setting.running() as path:
        async with path.call(make_call()) as answer:
            answer.delivered()
        async with path.call(make_call()):
            pass
    assert [complete for _, complete in setting.book.deliveries] == [True, False]


async def test_subscribers_hear_of_admission_and_settlement():
    setting = Setting(FakeReply(usage=USED))
    async with setting.running() as path, path.call(make_call()):
        pass
    assert [type(event) for event in setting.events] == [CallAdmitted, CallSettled]


async def test_a_clamped_hold_lowers_the_limit_that_is_sent():
    plan_hold = FakeDispatcher().plan(make_call(), {"fake": FakeProvider()}).hold
    setting = Setting(FakeReply(usage=USED), book=FakeBook({"alice": plan_hold - 100 * 2000}))
    call = make_call(output_floor=1)
    limits = msgspec.structs.replace(call.principal.limits, clamp=True)
    principal = msgspec.structs.replace(call.principal, limits=limits)
    async with setting.running() as path, path.call(msgspec.structs.replace(call, principal=principal)):
        pass
    assert setting.provider.targets[0].output_limit == 900


async def test_metrics_count_what_happened():
    setting = Setting(FakeReply(usage=USED), gates=[FakeGate()])
    async with setting.running() as path, path.call(make_call()):
        pass
    found = {(s.name, s.suffix, tuple(s.labels.values())): s.value for s in path.metrics.samples(path.in_flight)}
    assert found["aexl_admissions_total", "", ()] == 1
    assert found["aexl_settlements_total", "", ("committed", "usage", "false")] == 1
    assert found["aexl_upstream_seconds", "_count", ()] == 1
