"""Recording: a provider around a provider, which writes down what passes."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final

import trio

from aexl.api import Call, Headers, Provider, Reply, Target, Usage
from aexl.errors import ProviderFailed
from aexl_cassettes.counts import Counts
from aexl_cassettes.folder import Folder
from aexl_cassettes.normal import Rules
from aexl_cassettes.requests import describe
from aexl_cassettes.tape import FORMAT, Asked, End, Failure, Head, Piece, Tape

logger = logging.getLogger("aexl.cassettes")

_FORGOTTEN: Final = frozenset({b"set-cookie", b"set-cookie2", b"proxy-authenticate", b"www-authenticate"})
"""Headers of an answer that may open something; a replay has none of them."""


class Recorder:
    """Passes everything on, and writes an exchange down when it has ended.

    Args:
        provider: Who is asked.
        folder: Where recordings are written.
        rules: What requests are named by.
        room: The longest answer that is kept, in bytes.
        counts: Told what was done.
    """

    def __init__(self, provider: Provider, folder: Folder, rules: Rules, room: int, counts: Counts) -> None:
        self.name = provider.name
        self.surfaces = provider.surfaces
        self._provider = provider
        self.folder = folder
        self.rules = rules
        self.room = room
        self.counts = counts

    def open(self, call: Call, target: Target) -> RecordedExchange:
        """Return the provider's context, watched."""
        return RecordedExchange(self, self._provider.open(call, target), Take(call, target, self.room))


class Take:
    """An exchange while it is being recorded.

    Attributes:
        end: How it ended, once it has.
        is_too_long: The answer is longer than what is kept.
    """

    def __init__(self, call: Call, target: Target, room: int) -> None:
        self.call = call
        self.target = target
        self.at = time.time()
        self.end: End | None = None
        self.is_too_long = False
        self._began = trio.current_time()
        self._room = room
        self._head: Head | None = None
        self._pieces: list[Piece] = []

    def _after(self) -> float:
        return round(trio.current_time() - self._began, 6)

    def begin(self, reply: Reply) -> None:
        """Note the answer's head."""
        kept = [header for header in reply.headers if header[0] not in _FORGOTTEN]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in kept]
        self._head = Head(status=reply.status, headers=headers, after=self._after())

    def add(self, data: bytes) -> None:
        """Note a piece of the body."""
        self._room -= len(data)
        if self._room < 0:
            self.is_too_long = True
            self._pieces.clear()
        else:
            self._pieces.append(Piece.of(data, self._after()))

    def finish(self, reply: Reply) -> None:
        """Note the proper end of the body."""
        self.end = End(after=self._after(), finished=reply.finished, usage=reply.usage, upstream_id=reply.upstream_id)

    def fail(self, error: ProviderFailed, reply: Reply | None = None) -> None:
        """Note that the provider failed, before or while it answered; one that was not even asked made no exchange."""
        if not error.lasting:
            usage = reply.usage if reply else None
            self.end = End(after=self._after(), failure=Failure.of(error), usage=usage)

    def save(self, folder: Folder, rules: Rules) -> None:
        """Write the recording. Blocks.

        Raises:
            OSError: If it cannot be written.
        """
        assert self.end is not None, "only what has ended is written"
        request = describe(self.call, self.target)
        asked = Asked(cassette=FORMAT, at=round(self.at, 6), request=request)
        tape = Tape(asked=asked, head=self._head, pieces=self._pieces, end=self.end)
        folder.write(rules.fingerprint(request), tape)


class RecordedExchange:
    """A provider's context, watched; what has ended when it is left is written down."""

    def __init__(self, recorder: Recorder, inner: AbstractAsyncContextManager[Reply], take: Take) -> None:
        self._recorder = recorder
        self._inner = inner
        self._take = take

    async def __aenter__(self) -> RecordedReply:
        try:
            reply = await self._inner.__aenter__()
        except ProviderFailed as error:
            self._take.fail(error)
            if self._take.end is not None:
                await self._keep()
            raise
        self._take.begin(reply)
        return RecordedReply(reply, self._take)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        handled = await self._inner.__aexit__(kind, error, trace)
        await self._keep()
        return handled

    async def _keep(self) -> None:
        recorder, take = self._recorder, self._take
        if take.is_too_long:
            recorder.counts.discarded["too_long"] += 1
        elif take.end is None:  # whoever read has stopped half way, and half an answer is none
            recorder.counts.discarded["left"] += 1
        else:
            try:
                # A cancelled call has been answered all the same, and a write is short.
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(take.save, recorder.folder, recorder.rules)
            except Exception:  # whatever it is, the answer has been given
                recorder.counts.discarded["unwritable"] += 1
                logger.exception("an exchange with %s was not recorded", recorder.name)
            else:
                recorder.counts.recorded += 1


class RecordedReply:
    """A provider's reply, watched; see ``aexl.api.Reply``."""

    def __init__(self, reply: Reply, take: Take) -> None:
        self._reply = reply
        self.status = reply.status
        self.headers: Headers = reply.headers
        self.chunks = RecordedChunks(reply, take)

    @property
    def usage(self) -> Usage | None:
        return self._reply.usage

    @property
    def upstream_id(self) -> str | None:
        return self._reply.upstream_id

    @property
    def finished(self) -> bool:
        return self._reply.finished


class RecordedChunks(trio.abc.ReceiveChannel[bytes]):
    """The pieces of a body as they pass."""

    def __init__(self, reply: Reply, take: Take) -> None:
        self._reply = reply
        self._take = take

    async def receive(self) -> bytes:
        """Return the next piece."""
        try:
            data = await self._reply.chunks.receive()
        except trio.EndOfChannel:
            self._take.finish(self._reply)
            raise
        except ProviderFailed as error:
            self._take.fail(error, self._reply)
            raise
        self._take.add(data)
        return data

    async def aclose(self) -> None:
        """Stop reading."""
        await self._reply.chunks.aclose()
