"""One request and its answer, as an ASGI application sees them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

import trio

from aexl.core.http.framing import ResponseFraming
from aexl.core.http.head import Head
from aexl.core.http.limits import ServerLimits
from aexl.core.http.reader import RequestReader
from aexl.core.http.refusal import Refusal, WriteRefusal, neutral_refusal
from aexl.core.http.response import encode_fields
from aexl.core.http.wire import RECEIVE_BYTES, ClientGone, Wire

Message = MutableMapping[str, Any]

DRAINABLE_BYTES: Final = 65536
"""What an application left of a request's body is read and dropped up to this size, to keep the connection."""

_SENDS_BETWEEN_YIELDS: Final = 16  # a stream to a fast client must not hold the loop


class Turn:
    """Gives a request's body to the application and its answer to the client.

    ``receive`` and ``send`` may be called from two tasks of the application at once.

    Attributes:
        close: Whether the connection ends with this answer.
        begun: Whether a first byte of the answer may have been sent.
        complete: Whether the answer was sent to its last byte.
        cut: Whether a begun answer will never be complete.
        gone: Whether nothing can be sent any more.
        refused: Whether the server answered in the application's place.
    """

    __slots__ = (
        "_body_given", "_expects", "_finished", "_framing", "_limits", "_reader", "_reading", "_received", "_sends",
        "_waited", "_wire", "_write_refusal", "begun", "close", "complete", "cut", "gone", "head", "refused",
    )  # fmt: skip

    def __init__(
        self,
        head: Head,
        reader: RequestReader,
        wire: Wire,
        limits: ServerLimits,
        *,
        close: bool,
        refuse: WriteRefusal = neutral_refusal,
    ) -> None:
        self.head = head
        self.close = close
        self.begun = self.complete = self.cut = self.gone = self.refused = False
        self._reader = reader
        self._wire = wire
        self._limits = limits
        self._write_refusal = refuse
        self._framing: ResponseFraming | None = None
        self._expects = head.expects
        self._finished: trio.Event | None = None
        self._body_given = False
        self._reading = False
        self._received = 0
        self._waited = 0.0
        self._sends = 0

    @property
    def until_close(self) -> bool:
        """Whether only the end of the connection tells the client where the answer ends."""
        return self._framing is not None and self._framing.until_close

    async def receive(self) -> Message:
        """Return the next piece of the body; after it, wait until the client leaves or the answer is complete."""
        if self.complete or self.gone:
            return {"type": "http.disconnect"}
        if self._body_given:
            return await self._disconnect()
        reader = self._reader
        try:
            piece = reader.next_body()
            if not piece and not reader.body_ended:
                piece = await self._wait_for_body()
        except Refusal as refusal:
            await self.refuse(refusal)
            return {"type": "http.disconnect"}
        except ClientGone:
            self.leave()
            return {"type": "http.disconnect"}
        self._expects = False
        self._body_given = ended = reader.body_ended
        return {"type": "http.request", "body": piece, "more_body": not ended}

    async def send(self, message: Message) -> None:
        """Take the application's next message; the head waits for the first body message, a message is one write.

        Raises:
            ClientGone: If the client has left, or was refused for the body it sent.
            RuntimeError: If the message breaks ASGI's order or the announced content-length.
            ValueError: If the status or a header is not valid.
        """
        if self.gone:
            raise ClientGone("the client is gone")
        kind = message["type"]
        if kind == "http.response.start":
            self._start(message)
            return
        if kind != "http.response.body":
            raise RuntimeError(f"{kind!r} is not a message of an HTTP response")
        more = message.get("more_body", False)
        data = self._encode_body(message.get("body", b""), more)
        if data:
            try:
                await self._wire.write(data)
            except BaseException:  # the client left, or the application was cancelled with a part of it sent
                self.cut = True
                self.leave()
                raise
            self._sends += 1
        if not more:
            self._end()
        elif self._sends == _SENDS_BETWEEN_YIELDS:
            self._sends = 0
            await trio.lowlevel.checkpoint()

    async def refuse(self, refusal: Refusal) -> None:
        """Answer in the application's place, or cut the answer that it has begun; nothing follows either."""
        self.close = True
        if self.begun:
            self.cut = not self.refused
        else:
            self.begun = self.refused = True
            try:
                await self._wire.write(refusal.of(self.head.method, self.head.path).encode(self._write_refusal))
            except ClientGone:
                self.cut = True
        self.leave()

    def leave(self) -> None:
        """Note that nothing can be sent any more, and wake who waits for that."""
        self.gone = True
        self._wake()

    def _start(self, message: Message) -> None:
        if self._framing is not None:
            raise RuntimeError("http.response.start was sent twice")
        fields = encode_fields(message.get("headers", ()))
        self._framing = ResponseFraming(self.head.method, self.head.version, message["status"], fields)
        self.close = self.close or fields.close

    def _encode_body(self, body: bytes, more: bool) -> bytes:
        """Return what a body message puts on the wire; before the first one stands the head."""
        framing = self._framing
        if framing is None or self.complete:
            raise RuntimeError("http.response.body was sent before the start or after the last one")
        if self.begun:
            return framing.go_on(body, more)
        # What is left of a long body would have to be read to keep the connection.
        self.close = self.close or not self._reader.body_fits(DRAINABLE_BYTES) or self._expects
        data = framing.begin(body, more, close=self.close)
        self.close = self.close or framing.until_close
        self.begun = True
        return data

    def _end(self) -> None:
        self.complete = True
        self._wake()
        if self._wire.peer_left():
            # The kernel took the bytes, and nobody will read them: who counts deliveries must hear of it.
            self.close = True
            self.leave()
            raise ClientGone("the client left before the end of its answer")

    async def _wait_for_body(self) -> bytes:
        if self._expects and not self.begun:
            await self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects = False
        while True:
            began = trio.current_time()
            data = await self._read(self._patience())
            if data is None and not self.complete:
                raise Refusal(408, "body_timeout", "the request's body did not come, or came too slowly")
            if not data:
                raise ClientGone("the client left before the end of its request")
            self._waited += trio.current_time() - began
            self._received += len(data)
            self._reader.feed(data)
            piece = self._reader.next_body()
            if piece or self._reader.body_ended:
                return piece

    def _patience(self) -> float:
        """Return the seconds to wait for the next bytes of the body."""
        idle, rate = self._limits.body_idle, self._limits.body_rate
        return max(0.0, min(idle, idle + self._received / rate - self._waited)) if rate else idle

    async def _disconnect(self) -> Message:
        """Wait for the client to leave, keeping what it sends ahead: what one read brings, and one more."""
        while not self.complete and not self.gone:
            if self._reading or self._reader.buffered >= RECEIVE_BYTES:
                self._finished = self._finished or trio.Event()
                await self._finished.wait()
                break
            try:
                data = await self._read(None)
            except ClientGone:
                self.leave()
                break
            if not data:
                break  # half closed perhaps: what is sent may still arrive
            self._reader.feed(data)
        return {"type": "http.disconnect"}

    async def _read(self, seconds: float | None) -> bytes | None:
        self._reading = True
        try:
            return await self._wire.read(seconds)
        finally:
            self._reading = False

    def _wake(self) -> None:
        if self._finished is not None:
            self._finished.set()
        if self._reading:
            self._wire.interrupt()
