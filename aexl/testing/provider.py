"""A scripted provider, and what every provider must do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, get_args

import msgspec
import trio

from aexl.api import Call, Headers, Provider, Reply, Surface, Target, Usage
from aexl.errors import ProviderFailed
from aexl.testing.factories import make_call, make_target

if TYPE_CHECKING:
    from trio.abc import ReceiveChannel

JSON: Headers = ((b"content-type", b"application/json"),)
EVENTS: Headers = ((b"content-type", b"text/event-stream; charset=utf-8"),)
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"test-model","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,'
    b'"completion_tokens":20,"total_tokens":30}}'
)
ALL_SURFACES: frozenset[Surface] = frozenset(get_args(Surface))


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeReply:
    """One answer of a script: what comes, when, and how it ends.

    Attributes:
        chunks: The body, in the pieces in which it arrives.
        usage: Known once the last chunk has been read; ``None`` for a provider that does not say.
        finished: Whether the answer ended as its dialect says; false is a body that just stops.
        refuses: Raised instead of answering at all.
        cut: Raised after the last chunk, as when the connection breaks.
        head_waits: The head comes only after this event.
        chunk_waits: Chunks, by index, that come only after an event; the index after the last is the end.
    """

    chunks: Sequence[bytes] = (ANSWER,)
    status: int = 200
    headers: Headers = JSON
    usage: Usage | None = field(default_factory=lambda: Usage(input_tokens=10, output_tokens=20))
    upstream_id: str | None = None
    finished: bool = True
    refuses: ProviderFailed | None = None
    cut: ProviderFailed | None = None
    head_waits: trio.Event | None = None
    chunk_waits: Mapping[int, trio.Event] = field(default_factory=dict)


class FakeProvider:
    """Answers from a script, and remembers what it was asked.

    Args:
        replies: One for each call, in order; the last one answers all further calls.
        name: What the configuration calls it.
        surfaces: The dialects it claims to speak.

    Attributes:
        calls: Every call, in order.
        targets: The target of each call.
        running: How many replies are open now.
    """

    def __init__(self, *replies: FakeReply, name: str = "fake", surfaces: frozenset[Surface] = ALL_SURFACES) -> None:
        self.name = name
        self.surfaces = surfaces
        self.script: deque[FakeReply] = deque(replies or (FakeReply(),))
        self.calls: list[Call] = []
        self.targets: list[Target] = []
        self.running = 0

    def open(self, call: Call, target: Target) -> _Exchange:
        self.calls.append(call)
        self.targets.append(target)
        return _Exchange(self, self.script.popleft() if len(self.script) > 1 else self.script[0])


class _Exchange:
    def __init__(self, provider: FakeProvider, script: FakeReply) -> None:
        self._provider = provider
        self._script = script

    async def __aenter__(self) -> _Running:
        await trio.lowlevel.checkpoint()
        if self._script.head_waits is not None:
            await self._script.head_waits.wait()
        if self._script.refuses is not None:
            raise self._script.refuses
        self._provider.running += 1
        return _Running(self._script)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._provider.running -= 1


class _Running:
    """The reply of a script, while it is read."""

    def __init__(self, script: FakeReply) -> None:
        self._script = script
        self._chunks = _Chunks(script)
        self.status = script.status
        self.headers = script.headers
        self.chunks: ReceiveChannel[bytes] = self._chunks

    @property
    def usage(self) -> Usage | None:
        return self._script.usage if self._chunks.read == len(self._script.chunks) else None

    @property
    def upstream_id(self) -> str | None:
        return self._script.upstream_id if self._chunks.read == len(self._script.chunks) else None

    @property
    def finished(self) -> bool:
        return self._script.finished and self._script.cut is None and self._chunks.read == len(self._script.chunks)


class _Chunks(trio.abc.ReceiveChannel[bytes]):
    def __init__(self, script: FakeReply) -> None:
        self._script = script
        self._closed = False
        self.read = 0

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        waits = self._script.chunk_waits.get(self.read)
        if waits is not None:
            await waits.wait()
        if self.read < len(self._script.chunks):
            self.read += 1
            return self._script.chunks[self.read - 1]
        if self._script.cut is not None:
            raise self._script.cut
        raise trio.EndOfChannel

    async def aclose(self) -> None:
        self._closed = True
        await trio.lowlevel.checkpoint()


class ProviderConformance(ABC):
    """Promises of every ``aexl.api.Provider``; derive a test class, and say how to make one.

    ``scripted`` is for providers whose upstream a test can play: what is promised
    for failures is only tried where it returns a provider.
    """

    call = make_call()
    target = make_target()

    @abstractmethod
    def make_provider(self) -> Provider:
        """Return a provider that answers ``call`` well."""

    def scripted(self, reply: FakeReply) -> Provider | None:  # noqa: ARG002 - for who overrides it
        """Return a provider whose upstream answers like this, or ``None`` where that cannot be arranged."""
        return None

    def _scripted(self, reply: FakeReply) -> Provider:
        provider = self.scripted(reply)
        if provider is None:
            import pytest

            pytest.skip("this provider's upstream cannot be scripted")
        return provider

    def test_it_has_a_name_and_speaks_known_surfaces(self) -> None:
        provider = self.make_provider()
        assert isinstance(provider, Provider)
        assert re.fullmatch(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*", provider.name)
        assert provider.surfaces
        assert provider.surfaces <= ALL_SURFACES

    async def test_an_answer_is_read_to_its_end_and_says_what_it_used(self) -> None:
        async with self.make_provider().open(self.call, self.target) as reply:
            assert isinstance(reply, Reply)
            assert reply.status == 200
            body = await read_all(reply)
            assert body
            assert reply.finished
            assert reply.usage is not None
            assert reply.usage.input_total > 0
            assert 0 <= reply.usage.reasoning_tokens <= reply.usage.output_tokens

    async def test_header_names_are_lower_case_and_end_to_end(self) -> None:
        async with self.make_provider().open(self.call, self.target) as reply:
            names = [name for name, _ in reply.headers]
            assert all(name == name.lower() for name in names)
            assert not {b"connection", b"keep-alive", b"transfer-encoding", b"content-encoding"} & set(names)

    async def test_a_reply_may_be_left_unread(self) -> None:
        provider = self.make_provider()
        for _ in range(2):
            async with provider.open(self.call, self.target) as reply:
                assert reply.status == 200

    async def test_calls_at_the_same_time_do_not_mix(self) -> None:
        provider = self.make_provider()
        async with provider.open(self.call, self.target) as first, provider.open(self.call, self.target) as second:
            assert await read_all(first)
            assert await read_all(second)
            assert first.finished
            assert second.finished

    async def test_cancellation_leaves_the_context(self) -> None:
        provider = self.make_provider()
        with trio.CancelScope() as scope:
            async with provider.open(self.call, self.target) as reply:
                scope.cancel()
                await read_all(reply)
        assert scope.cancelled_caught

    async def test_an_error_status_is_an_answer_and_its_body_passes_exactly(self) -> None:
        error = (
            b'{ "error": {"message": "slow down", "type": "requests", "param": null, "code": "rate_limit_exceeded"}}'
        )
        headers = (*JSON, (b"retry-after", b"7"))
        provider = self._scripted(FakeReply(status=429, headers=headers, chunks=(error,), usage=None))
        async with provider.open(self.call, self.target) as reply:
            assert reply.status == 429
            assert (b"retry-after", b"7") in reply.headers
            assert await read_all(reply) == error
            assert reply.usage is None

    async def test_an_upstream_that_is_not_reached_fails_before_the_reply(self) -> None:
        import pytest

        failure = ProviderFailed("refused", code="upstream_unreachable", status=502, charged="no")
        provider = self._scripted(FakeReply(refuses=failure))
        with pytest.raises(ProviderFailed) as caught:
            async with provider.open(self.call, self.target):
                pytest.fail("there was a reply")
        assert caught.value.charged == "no"
        assert caught.value.status in (502, 504)
        assert caught.value.reason

    async def test_a_cut_stream_raises_after_what_arrived_and_is_not_finished(self) -> None:
        import pytest

        failure = ProviderFailed("reset", code="upstream_reset", status=502, charged="unknown")
        events = (b'data: {"choices":[{"index":0,"delta":{"content":"He"}}]}\n\n',)
        provider = self._scripted(FakeReply(headers=EVENTS, chunks=events, cut=failure, usage=None))
        call = msgspec.structs.replace(self.call, stream=True)
        async with provider.open(call, self.target) as reply:
            assert await reply.chunks.receive()
            with pytest.raises(ProviderFailed) as caught:
                await read_all(reply)
            assert caught.value.charged == "unknown"
            assert not reply.finished


async def read_all(reply: Reply) -> bytes:
    """Return the whole body of a reply."""
    parts = []
    while True:
        try:
            parts.append(await reply.chunks.receive())
        except trio.EndOfChannel:
            return b"".join(parts)
