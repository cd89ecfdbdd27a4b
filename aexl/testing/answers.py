"""Answers that a test scripts, for the tests of who makes calls."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

import trio

from aexl.api import Answer, Booked, Headers, Receipt
from aexl.errors import CallError

RECEIPT: Final = Receipt(seq=7, hash="ab" * 32)
"""The receipt of every answer that names no other."""


class ScriptedChunks(trio.abc.ReceiveChannel[bytes]):
    """A body made of pieces; an error among them is raised in its turn."""

    def __init__(self, pieces: Sequence[bytes | Exception]) -> None:
        self._pieces = list(pieces)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._pieces:
            raise trio.EndOfChannel
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self) -> None:
        self._pieces.clear()
        await trio.lowlevel.checkpoint()


class FakeAnswer:
    """An answer, and the context that ``Host.call`` returns for it.

    Args:
        pieces: The body, in the pieces in which it arrives.
        chunks: Where the body comes from instead, such as a memory channel of the test's.
        error: Raised when the context is entered.

    Attributes:
        entered: The context was entered.
        left: The context was left.
        failed_with: The exception with which it was left, if any.
        complete: ``delivered`` was called.
    """

    def __init__(
        self,
        *pieces: bytes | Exception,
        chunks: trio.abc.ReceiveChannel[bytes] | None = None,
        status: int = 200,
        headers: Headers = ((b"content-type", b"application/json"),),
        stream: bool = False,
        replayed: bool = False,
        execution: str = "01890000-0000-7000-8000-000000000001",
        receipt: Receipt = RECEIPT,
        booked: Booked | None = None,
        error: CallError | None = None,
    ) -> None:
        self.chunks = chunks or ScriptedChunks(pieces)
        self.status = status
        self.headers = headers
        self.stream = stream
        self.replayed = replayed
        self.execution = execution
        self.receipt = receipt
        self.booked = booked
        self.error = error
        self.entered = self.left = self.complete = False
        self.failed_with: BaseException | None = None

    def delivered(self) -> None:
        assert self.entered, "the answer was delivered before it was asked for"
        assert not self.left, "the answer was delivered after its context had been left"
        self.complete = True

    async def __aenter__(self) -> Answer:
        self.entered = True
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.left = True
        self.failed_with = error


def make_booked(amount: int = 1_000_000, *, remaining: int | None = None, estimated: bool = False) -> Booked:
    """Return a settlement of ``amount`` nano-dollars."""
    return Booked(
        execution="01890000-0000-7000-8000-000000000001",
        receipt=RECEIPT,
        amount=amount,
        estimated=estimated,
        remaining=remaining,
    )
