"""The scripted provider passes its own conformance suite, and does what its script says."""

from __future__ import annotations

import pytest
import trio

from aexl.api import Provider
from aexl.errors import ProviderFailed
from aexl.testing.dispatcher import DispatcherConformance, FakeDispatcher
from aexl.testing.factories import make_call, make_target
from aexl.testing.provider import FakeProvider, FakeReply, ProviderConformance, read_all


class TestFakeProvider(ProviderConformance):
    def make_provider(self) -> Provider:
        return FakeProvider()

    def scripted(self, reply: FakeReply) -> Provider:
        return FakeProvider(reply)


class TestFakeDispatcher(DispatcherConformance):
    def make_dispatcher(self) -> FakeDispatcher:
        return FakeDispatcher(models={"test-model"})


async def test_replies_come_in_order_and_the_last_one_stays() -> None:
    provider = FakeProvider(FakeReply(chunks=(b"1",)), FakeReply(chunks=(b"2",)))
    bodies = []
    for _ in range(3):
        async with provider.open(make_call(), make_target()) as reply:
            bodies.append(await read_all(reply))
    assert bodies == [b"1", b"2", b"2"]
    assert len(provider.calls) == len(provider.targets) == 3
    assert provider.running == 0


async def test_usage_is_unknown_before_the_last_chunk() -> None:
    provider = FakeProvider(FakeReply(chunks=(b"1", b"2")))
    async with provider.open(make_call(), make_target()) as reply:
        await reply.chunks.receive()
        assert reply.usage is None
        await reply.chunks.receive()
        assert reply.usage is not None


async def test_a_chunk_waits_for_its_event(autojump_clock: trio.testing.MockClock) -> None:
    event = trio.Event()
    provider = FakeProvider(FakeReply(chunks=(b"1", b"2"), chunk_waits={1: event}))
    async with provider.open(make_call(), make_target()) as reply:
        await reply.chunks.receive()
        with trio.move_on_after(5) as scope:
            await reply.chunks.receive()
        assert scope.cancelled_caught
        event.set()
        assert await reply.chunks.receive() == b"2"


async def test_a_refusal_leaves_nothing_open() -> None:
    failure = ProviderFailed("refused", code="upstream_unreachable", status=502, charged="no")
    provider = FakeProvider(FakeReply(refuses=failure))
    with pytest.raises(ProviderFailed):
        async with provider.open(make_call(), make_target()):
            pytest.fail("there was a reply")
    assert provider.running == 0
