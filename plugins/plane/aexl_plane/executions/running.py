"""One run: the handler is asked, and what came of it is written down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import apsw
import msgspec
import trio

from aexl.api import Handlers, Host, Invocation, Invoked
from aexl.errors import AexlError, Conflict, Invalid, NotFound, Refused, Unavailable
from aexl_plane.deployments.runtimes import check_runtime, handlers_of
from aexl_plane.executions.asked import Recorded, invocation_of
from aexl_plane.executions.live import LiveRun, Outcome
from aexl_plane.storage import executions as rows
from aexl_plane.storage.database import Database
from aexl_plane.storage.executions import Ending

logger = logging.getLogger("aexl.plane")

AGAIN_SECONDS: Final = 1.0
"""When a run that found no worker is to be asked for again."""

_PATIENCE: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the attempts of a queued run to get a worker; nothing of it has run before."""

_CODES: Final = ((NotFound, 404, "NOT_FOUND"), (Invalid, 400, "VALIDATION_ERROR"), (Conflict, 409, "CONFLICT"))
"""What is said of errors in front of the runner, in the runner's words."""

Status = Literal["ok", "failed", "cancelled"]


class Runner:
    """Does runs, and keeps their ends.

    Args:
        most: Returns the bytes of an answer that are kept.
    """

    def __init__(self, host: Host, database: Database, most: Callable[[], int]) -> None:
        self._host = host
        self._database = database
        self._most = most

    def check(self) -> Handlers:
        """Return who runs handlers.

        Raises:
            Unavailable: If nobody does.
        """
        return handlers_of(self._host)

    async def run_queued(self, live: LiveRun) -> None:
        """Do a run that was queued, unless it was cancelled meanwhile; never raises what comes of it."""
        execution = live.execution
        try:
            found = await self._database.write(lambda db: rows.start(db, execution.id, time.time()))
        except AexlError as error:
            logger.warning("execution %s was not begun: %s", execution.id, error)
            live.end(error)
            return
        if found is None:
            return
        live.execution, request = found
        if request is None:
            reason = "its request was not kept until its turn came"
            await self._end(live, *_failed(NotFound(reason)), None, error=None)
            return
        await self.run(live, msgspec.json.decode(request, type=Recorded))

    async def run(self, live: LiveRun, recorded: Recorded) -> None:
        """Do a run that is written down as running; never raises what comes of it."""
        error: AexlError | None = None
        ran: Invoked | None = None
        try:
            with live.scope:
                ran = _readable(await self._invoke(live, invocation_of(live.execution, recorded)))
        except AexlError as caught:
            error = caught
        except Exception:
            logger.exception("execution %s failed in the runtime itself", live.execution.id)
            error = AexlError("the runtime failed; the server's log says how")
        if ran is not None:
            code = None if ran.ok else str(ran.answer["error"]["code"])
            await self._end(live, "ok" if ran.ok else "failed", ran.status, code, ran, error=None)
        elif error is not None:
            await self._end(live, *_failed(error), None, error=error)
        else:
            await self._end(live, "cancelled", None, "CANCELLED", None, error=None)

    async def _invoke(self, live: LiveRun, invocation: Invocation) -> Invoked:
        patience = iter(_PATIENCE if live.execution.mode == "async" else ())
        while True:
            handlers = self.check()
            try:
                return await handlers.invoke(invocation, heard=live.hear)
            except NotFound:  # the snapshot was there when it was deployed
                await check_runtime(handlers, live.execution)
                raise
            except Unavailable:
                pause = next(patience, None)
                if pause is None or live.has_begun:
                    await check_runtime(handlers, live.execution)
                    raise
            await trio.sleep(pause)

    async def _end(
        self,
        live: LiveRun,
        status: Status,
        http_status: int | None,
        code: str | None,
        ran: Invoked | None,
        *,
        error: AexlError | None,
    ) -> None:
        """Write the end down, and tell who waits for it; an error that nothing of the handler saw goes to them."""
        answer = _with_log({"meta": {}} if ran is None else ran.answer, live)
        execution = live.execution
        ended = time.time()
        ending = Ending(
            id=execution.id,
            status=status,
            http_status=http_status,
            code=code,
            ended=ended,
            answer=_encode(answer, self._most()),
            frees_key=error is not None and not live.has_begun,
        )
        by = live.cancelled_by

        def work(db: apsw.Connection) -> None:
            rows.end(db, ending)
            if status == "cancelled":
                rows.tell_cancelled(db, execution, by or "")

        try:
            await self._database.write(work)
        except AexlError as failure:
            logger.warning("the end of execution %s was not kept: %s", execution.id, failure)
            live.end(failure)
            return
        live.execution = msgspec.structs.replace(
            execution, status=status, http_status=http_status, code=code, ended=ended
        )
        told = Outcome(live.execution, answer, None if ran is None else ran.spent)
        live.end(told if error is None else _as_told(error))


def _failed(error: AexlError) -> tuple[Status, int, str]:
    if isinstance(error, Refused):
        return "failed", error.status, error.code.upper()
    if isinstance(error, Unavailable):
        return "failed", 503, "UNAVAILABLE"
    found = next((each for each in _CODES if isinstance(error, each[0])), None)
    return ("failed", found[1], found[2]) if found else ("failed", 500, "INTERNAL")


def _as_told(error: AexlError) -> AexlError:
    """Return an error as whoever waits is told."""
    if isinstance(error, Unavailable):
        return Refused(str(error), code="unavailable", status=503, retry_after=AGAIN_SECONDS)
    if type(error) is AexlError:
        return Refused(str(error), code="internal_error", status=500)
    return error


def _readable(ran: Invoked) -> Invoked:
    """Return what a run has answered; a worker can be made to send texts that are none, and that is the run's failure."""
    try:
        msgspec.json.encode(ran.answer)
    except (UnicodeEncodeError, RecursionError):
        error = {"code": "USER_CODE_ERROR", "message": "the answer has something in it that JSON cannot carry"}
        answer = {**ran.answer, "ok": False, "http_status": 500, "result": None, "error": error, "meta": {}}
        return msgspec.structs.replace(ran, ok=False, status=500, exit=7, result=None, answer=answer)
    return ran


def _with_log(answer: Mapping[str, Any], live: LiveRun) -> Mapping[str, Any]:
    """Return an envelope whose log is what was heard: the numbers of its records stay what they were."""
    heard = live.records
    return answer if not heard else {**answer, "meta": {**answer["meta"], "logs": heard}}


def _encode(answer: Mapping[str, Any], most: int) -> str | None:
    """Return what is kept of an envelope: all of it, all but the result, or nothing."""
    text = msgspec.json.encode(answer)
    if len(text) > most:
        text = msgspec.json.encode({name: value for name, value in answer.items() if name != "result"})
    return text.decode() if len(text) <= most else None
