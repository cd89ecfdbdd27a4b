"""Replaying: a provider in the place of a provider, which answers from recordings and asks nobody."""

from __future__ import annotations

import logging
import time
from types import TracebackType

import trio

from aexl.api import Call, Headers, Provider, Target, Usage
from aexl.errors import AexlError, Invalid, ProviderFailed
from aexl_cassettes.config import Timing
from aexl_cassettes.counts import Counts
from aexl_cassettes.folder import Folder
from aexl_cassettes.normal import Rules
from aexl_cassettes.requests import Request, describe
from aexl_cassettes.shelf import Shelf
from aexl_cassettes.tape import Tape

logger = logging.getLogger("aexl.cassettes")


class Player:
    """Answers as a provider did when it was recorded; the provider itself is not even kept.

    Args:
        provider: In whose place it answers.
        folder: Where recordings are read.
        shelf: Which of them answers what.
        rules: How requests are compared.
        timing: Whether answers take as long as they took.
        counts: Told what was done.
    """

    def __init__(
        self, provider: Provider, folder: Folder, shelf: Shelf, rules: Rules, timing: Timing, counts: Counts
    ) -> None:
        self.name = provider.name
        self.surfaces = provider.surfaces
        self._folder = folder
        self._shelf = shelf
        self._rules = rules
        self.is_timed = timing == "recorded"
        self._counts = counts
        self._marked: set[str] = set()
        self._is_writable = True

    def open(self, call: Call, target: Target) -> PlayedExchange:
        """Return the context of one answer."""
        return PlayedExchange(self, call, target)

    async def find(self, call: Call, target: Target) -> Tape:
        """Return the recording that answers a call.

        Raises:
            ProviderFailed: If there is none, or it is broken.
        """
        try:
            request, fingerprint = await trio.to_thread.run_sync(self._read, call, target)
        except Invalid as error:
            raise _final(
                ProviderFailed(str(error), code="unsendable", status=502, charged="no", lasting=True)
            ) from error
        found = self._shelf.take(fingerprint)
        if found is None:
            self._counts.missed += 1
            reason = await trio.to_thread.run_sync(self._shelf.explain, request, fingerprint)
            raise _final(ProviderFailed(reason, code="cassette_miss", status=502, charged="no", lasting=True))
        try:
            tape = await trio.to_thread.run_sync(self._folder.read, found)
        except AexlError as error:
            reason = self._shelf.broken(found, error)
            raise _final(
                ProviderFailed(reason, code="cassette_broken", status=502, charged="no", lasting=True)
            ) from error
        self._counts.replayed += 1
        await self._mark(found)
        return tape

    def _read(self, call: Call, target: Target) -> tuple[Request, str]:
        request = describe(call, target)
        return request, self._rules.fingerprint(request)

    async def _mark(self, id: str) -> None:
        """Note once for each recording that it is in use."""
        if id in self._marked or not self._is_writable:
            return
        self._marked.add(id)
        problem = await trio.to_thread.run_sync(self._shelf.mark, id, time.time())
        if problem is not None:
            self._is_writable = False
            logger.warning("%s", problem)


def _final(error: ProviderFailed) -> ProviderFailed:
    """Return an error that clients need not try again: nothing will have changed."""
    error.headers = ((b"x-should-retry", b"false"),)
    return error


class PlayedExchange:
    """The context of one replayed answer."""

    def __init__(self, player: Player, call: Call, target: Target) -> None:
        self._player = player
        self._call = call
        self._target = target
        self._reply: PlayedReply | None = None

    async def __aenter__(self) -> PlayedReply:
        began = trio.current_time() if self._player.is_timed else None
        tape = await self._player.find(self._call, self._target)
        if tape.head is None:
            assert tape.end.failure is not None, "a recording has an answer or a failure"
            await _wait(began, tape.end.after)
            raise tape.end.failure.error()
        await _wait(began, tape.head.after)
        self._reply = PlayedReply(tape, tape.head.status, tape.head.headers, began)
        return self._reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reply is not None:
            self._reply.chunks.close()


class PlayedReply:
    """A recorded answer; see ``aexl.api.Reply``."""

    def __init__(self, tape: Tape, status: int, headers: list[tuple[str, str]], began: float | None) -> None:
        self._end = tape.end
        self.status = status
        self.headers: Headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self.chunks = PlayedChunks(tape, began)

    @property
    def usage(self) -> Usage | None:
        return self._end.usage if self.chunks.ended else None

    @property
    def upstream_id(self) -> str | None:
        return self._end.upstream_id if self.chunks.ended else None

    @property
    def finished(self) -> bool:
        return self._end.finished and self.chunks.ended


class PlayedChunks(trio.abc.ReceiveChannel[bytes]):
    """The recorded pieces, each at its time or at once.

    Attributes:
        ended: The last piece has been read.
    """

    def __init__(self, tape: Tape, began: float | None) -> None:
        self._tape = tape
        self._began = began
        self._next = 0
        self._closed = False
        self.ended = not tape.pieces

    async def receive(self) -> bytes:
        """Return the next piece.

        Raises:
            trio.EndOfChannel: After the last one.
            ProviderFailed: After the last one, where the provider broke off.
        """
        if self._closed:
            raise trio.ClosedResourceError
        pieces = self._tape.pieces
        if self._next == len(pieces):
            await _wait(self._began, self._tape.end.after)
            self.ended = True
            if self._tape.end.failure is not None:
                raise self._tape.end.failure.error()
            raise trio.EndOfChannel
        piece = pieces[self._next]
        await _wait(self._began, piece.after)
        self._next += 1
        self.ended = self._next == len(pieces)
        return piece.data

    def close(self) -> None:
        """Stop."""
        self._closed = True

    async def aclose(self) -> None:
        """Stop."""
        self.close()
        await trio.lowlevel.checkpoint()


async def _wait(began: float | None, after: float) -> None:
    """Wait until so many seconds have passed since the beginning, if time counts."""
    if began is None:
        await trio.lowlevel.checkpoint()
    else:
        await trio.sleep_until(began + after)
