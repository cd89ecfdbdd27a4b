"""One connection: its requests in order, each handed to the application and answered."""

from __future__ import annotations

import logging
import math
from urllib.parse import unquote

import trio

from aexl.api import ASGIApp, ASGIScope
from aexl.core.http.head import Head
from aexl.core.http.limits import ServerLimits
from aexl.core.http.origin import OriginRule
from aexl.core.http.reader import RequestReader
from aexl.core.http.refusal import Refusal, WriteRefusal
from aexl.core.http.turn import Turn
from aexl.core.http.wire import ClientGone, Wire
from aexl.errors import AexlError

logger = logging.getLogger("aexl.http")

_ASGI = {"version": "3.0", "spec_version": "2.4"}


class Connection:
    """Serves one client until either side ends it.

    Args:
        peer: The ``client``, ``server`` and ``extensions`` entries of every scope.
        refuse: Writes the answer to a request that the application does not get.

    Attributes:
        deadline: When the wait for the next request ends, on trio's clock; ``inf`` while there is no such wait.
            The server's watcher holds it, because moving a cancel scope's deadline for every request costs more
            than parsing the request.
        running: Whether a request is in the application's hands.
    """

    __slots__ = (
        "_app", "_draining", "_limits", "_origins", "_peer", "_reader", "_refuse", "_turn", "_wire", "deadline",
        "running",
    )  # fmt: skip

    def __init__(
        self,
        app: ASGIApp,
        wire: Wire,
        peer: ASGIScope,
        *,
        limits: ServerLimits,
        origins: OriginRule | None,
        refuse: WriteRefusal,
    ) -> None:
        self._app = app
        self._wire = wire
        self._peer = peer
        self._limits = limits
        self._origins = origins
        self._refuse = refuse
        self._reader = RequestReader(limits)
        self._turn: Turn | None = None
        self._draining = False
        self.deadline = math.inf
        self.running = False

    def drain(self) -> None:
        """End the connection after the answer that is under way, or at once where there is none."""
        self._draining = True
        if self.running and self._turn is not None:
            self._turn.close = True
        elif self.deadline != math.inf and not self._reader.buffered:
            self._wire.interrupt()

    def expire(self) -> None:
        """End the wait for the next request, because its deadline has passed."""
        self._wire.interrupt()

    async def serve(self) -> None:
        """Serve until the connection ends, and close it."""
        try:
            if not await self._serve_requests():
                await linger(self._wire, self._limits)
        except ClientGone:
            pass  # between two requests nobody waits for the news
        finally:
            # An end that has no other mark than the connection's must not look like one when the answer was cut.
            turn = self._turn
            await self._wire.close(reset=turn is not None and turn.until_close and not turn.complete)

    async def _serve_requests(self) -> bool:
        """Answer requests until the last one; return whether everything that the client sent was read."""
        fresh = True
        while True:
            try:
                head = await self._next_head(fresh=fresh)
            except Refusal as refusal:
                await self._wire.write(refusal.encode(self._refuse))
                return False
            if head is None:
                return True
            turn = await self._answer(head)
            if turn.gone:
                return not turn.refused
            if not self._reader.body_ended and (turn.close or not await self._drop_body()):
                return False
            if turn.close:
                return not self._reader.buffered
            fresh = False

    async def _next_head(self, *, fresh: bool) -> Head | None:
        """Wait for the next request; ``None`` when there is none, and the connection is to be closed."""
        reader, limits = self._reader, self._limits
        head = reader.next_head()
        if head is not None:
            # Pipelined: nothing was waited for, so the others get their chance here.
            await trio.lowlevel.checkpoint()
            return head
        partial = reader.buffered > 0
        now = trio.current_time()
        # A kept connection may be idle; from a request's first byte on, and on a fresh one, the headers are due.
        headers_due = now + limits.header_time if fresh or partial else math.inf
        idle_until = now + (limits.header_time if fresh else limits.keep_alive)
        while partial or not self._draining:
            self.deadline = headers_due if partial else idle_until
            data = await self._wire.read()
            self.deadline = math.inf
            if partial and (data is None or trio.current_time() > headers_due):
                raise Refusal(408, "headers_timeout", "the request's headers did not come in time")
            if not data:
                return None
            reader.feed(data)
            head = reader.next_head()
            if head is not None:
                return head
            partial = reader.buffered > 0
            headers_due = min(headers_due, trio.current_time() + limits.header_time)
        return None

    async def _answer(self, head: Head) -> Turn:
        """Let the application answer."""
        close = self._draining or not head.keep_alive
        self._turn = turn = Turn(head, self._reader, self._wire, self._limits, close=close, refuse=self._refuse)
        refusal = self._origins.check(head.host, head.origin) if self._origins is not None else None
        if refusal is not None:
            await turn.refuse(refusal)
            return turn
        self.running = True
        try:
            await self._app(self._scope(head), turn.receive, turn.send)
        except Exception as error:
            if not (turn.gone and _only_client_gone(error)):  # else it passed on what it was told
                await self._fail(turn, "the application failed on %s %s", error)
        except BaseExceptionGroup as group:
            # Cancelled, and something failed on the way out: the first goes on, the second must not end the server.
            cancelled, failed = group.split(trio.Cancelled)
            if cancelled is None or not isinstance(failed, ExceptionGroup):
                raise
            await self._fail(turn, "the application failed on %s %s while it was cancelled", failed)
            raise cancelled from None
        else:
            if not turn.complete and not turn.gone:
                await self._fail(turn, "the application returned before its answer to %s %s was complete", None)
        finally:
            self.running = False
        return turn

    async def _fail(self, turn: Turn, problem: str, error: Exception | None) -> None:
        expected = isinstance(error, AexlError)  # an upstream that cut its stream is news, not a fault of ours
        level = logging.WARNING if expected else logging.ERROR
        path = turn.head.path.decode("latin-1")
        logger.log(level, f"{problem}: %s", turn.head.method, path, error, exc_info=None if expected else error)
        if not turn.complete:
            await turn.refuse(Refusal(500, "internal_error", "the server failed to answer this request"))

    async def _drop_body(self) -> bool:
        """Read what the application left of a short body; return whether it came."""
        reader = self._reader
        with trio.move_on_after(self._limits.linger):
            try:
                reader.next_body()
                while not reader.body_ended:
                    data = await self._wire.read()
                    if not data:
                        return False
                    reader.feed(data)
                    reader.next_body()
            except Refusal:
                return False
        return reader.body_ended

    def _scope(self, head: Head) -> ASGIScope:
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "method": head.method,
            "scheme": "http",
            "path": unquote(head.path.decode("ascii")),
            "raw_path": head.path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers,
            "state": {},
            **self._peer,
        }


async def linger(wire: Wire, limits: ServerLimits) -> None:
    """End the answer and discard what the client still sends, for the limit's time."""
    with trio.move_on_after(limits.linger):
        await wire.end()
        while await wire.read():
            pass


def _only_client_gone(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(ClientGone)[1] is None
    return isinstance(error, ClientGone)
