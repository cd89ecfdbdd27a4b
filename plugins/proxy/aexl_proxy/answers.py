"""Sending the answer of a governed call to its client, as it came."""

from __future__ import annotations

import logging
from typing import Final

import trio

from aexl.api import Answer, ASGISend, Call
from aexl.errors import ProviderFailed, Refused
from aexl_proxy.costs import cost_headers
from aexl_proxy.interruptions import ends_an_event, verdict_event
from aexl_proxy.verdicts import Verdicts

logger = logging.getLogger("aexl.proxy")

# Hop-by-hop headers (RFC 9110, section 7.6.1), what the body's framing decides, and
# cookies, which would be the provider's for every agent alike.
_DROPPED: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_OURS: Final = b"x-aexl-"
_NAMES_KEPT: Final = 1024  # seen; a provider that invents names must not fill memory
_passing: set[bytes] = set()
_BODILESS: Final = frozenset({204, 304})


class AnswerSender:
    """Sends one answer.

    Attributes:
        started: The head has left, so that an error can no longer be an answer of its own.
    """

    __slots__ = ("_call", "_send", "_verdicts", "started")

    def __init__(self, call: Call, send: ASGISend, verdicts: Verdicts) -> None:
        self._call = call
        self._send = send
        self._verdicts = verdicts
        self.started = False

    async def deliver(self, answer: Answer) -> None:
        """Send the whole answer; return early where the client has gone.

        Raises:
            CallError: If the answer failed. With ``started`` set the connection must be cut.
        """
        try:
            if answer.stream:
                await self._deliver_stream(answer)
            else:
                body = await _read_whole(answer)
                head = _whole_head(answer, len(body))
                self.started = True
                await self._send({"type": "http.response.start", "status": answer.status, "headers": head})
                await self._send({"type": "http.response.body", "body": body, "more_body": False})
                answer.delivered()
        except OSError:
            # ASGI's word for a client that left. The host drains the upstream and books the call.
            logger.debug("the client left execution %s", answer.execution)

    async def _deliver_stream(self, answer: Answer) -> None:
        send, receive = self._send, answer.chunks.receive
        first = before = last = b""
        try:
            while True:
                try:
                    chunk = await receive()
                except trio.EndOfChannel:
                    break
                if not self.started:
                    # The head waits for the first chunk, so that both leave in one write.
                    await self._start(answer)
                    first = chunk
                before, last = last, chunk
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Refused as verdict:
            if not self.started:
                raise
            await self._end_with(verdict, answer, first, before, last)
            return
        if not self.started:
            await self._start(answer)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        answer.delivered()

    async def _start(self, answer: Answer) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": answer.status, "headers": _head(answer)})

    async def _end_with(self, verdict: Refused, answer: Answer, first: bytes, before: bytes, last: bytes) -> None:
        self._verdicts.remember(self._call, verdict, trio.current_time())
        # Gemini's clients pass over an error event and take what they have for the whole answer.
        if self._call.surface == "gemini" or not ends_an_event(before, last):
            raise ProviderFailed(
                f"execution {answer.execution} was ended within its answer: {verdict.reason}",
                code=verdict.code,
                status=502,
                charged="unknown",
            ) from verdict
        event = verdict_event(verdict, self._call.surface, answer.execution, first, before + last)
        await self._send({"type": "http.response.body", "body": event, "more_body": False})


async def _read_whole(answer: Answer) -> bytes:
    receive = answer.chunks.receive
    pieces: list[bytes] = []
    try:
        while True:
            pieces.append(await receive())
    except trio.EndOfChannel:
        return b"".join(pieces)


def _whole_head(answer: Answer, size: int) -> list[tuple[bytes, bytes]]:
    headers = _head(answer)
    if answer.status not in _BODILESS:
        headers.append((b"content-length", b"%d" % size))
    booked = answer.booked
    if booked is not None:
        headers += cost_headers(booked.amount, booked.remaining)
    return headers


def _passes(name: bytes) -> bool:
    if name in _DROPPED or name.startswith(_OURS):
        return False
    if len(_passing) < _NAMES_KEPT:
        _passing.add(name)
    return True


def _head(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return the provider's end-to-end headers and ours."""
    headers = [pair for pair in answer.headers if pair[0] in _passing or _passes(pair[0])]
    headers.append((b"x-aexl-execution-id", answer.execution.encode()))
    receipt = answer.receipt
    if receipt.hash:
        headers.append((b"x-aexl-receipt", f"{receipt.seq}:{receipt.hash}".encode()))
    if answer.replayed:
        headers.append((b"x-aexl-replayed", b"true"))
    return headers
