"""Waiting deployments in the queue of questions that people answer, where somebody keeps one.

The first answer in the queue counts: who decides over the plane's own routes answers there
first, and whoever hears the answer applies it, which can be done twice. Without a queue,
the database alone decides.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import apsw
import trio

from aexl.api import BUILTIN, Answered, Gates, Host, Question
from aexl.errors import AexlError, Unavailable
from aexl_plane.records import Deployment
from aexl_plane.storage import deployments as rows
from aexl_plane.storage.database import Database

logger = logging.getLogger("aexl.plane")

SHORTEST: Final = 0.5
LONGEST: Final = 30.0
"""Seconds until what could not be done now is tried again."""

Apply = Callable[[Deployment, Answered], Awaitable[object]]


class Approvals:
    """Puts up a question for each deployment that waits, and hears the answers.

    Args:
        apply: Does what was answered.
    """

    def __init__(self, host: Host, database: Database, apply: Apply) -> None:
        self._host = host
        self._database = database
        self._apply = apply
        self._nursery: trio.Nursery | None = None
        self._open: dict[str, Question] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Put up what waits, and hear answers as long as the context is open; afterwards the questions stay."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                gates = self._host.service(Gates)
                if gates is not None:
                    for made in await self._database.read(rows.list_waiting):
                        nursery.start_soon(self._watch, gates, made, trio.Event())
                yield
            finally:
                self._nursery = None
                nursery.cancel_scope.cancel()

    async def put_up(self, made: Deployment) -> None:
        """Ask people for a deployment that waits; returns when the question is up, or cannot be put up now."""
        gates = self._host.service(Gates)
        if gates is None or self._nursery is None:
            return
        up = trio.Event()
        self._nursery.start_soon(self._watch, gates, made, up)
        await up.wait()

    async def claim(self, made: Deployment, answered: Answered) -> None:
        """Answer in the queue, if the question is there.

        Raises:
            Conflict: If somebody was quicker there.
        """
        gates, question = self._host.service(Gates), self._open.get(made.id)
        if gates is not None and question is not None:
            await gates.answer(question, answered)

    async def _watch(self, gates: Gates, made: Deployment, up: trio.Event) -> None:
        try:
            while True:
                try:
                    return await self._hear(gates, made, up)
                except AexlError as error:
                    logger.warning("nobody can be asked for deployment %s now: %s", made.id, error)
                up.set()
                await trio.sleep(LONGEST)
        finally:
            up.set()
            self._open.pop(made.id, None)

    async def _hear(self, gates: Gates, made: Deployment, up: trio.Event) -> None:
        note = ""
        while True:
            question = await self._database.read(lambda db: _question(db, made, note))  # noqa: B023 - read at once
            await gates.ask(question)
            self._open[made.id] = question
            up.set()
            if not await self._waits(made):  # decided before the question was up
                return await gates.withdraw(question)
            answered = await gates.hear(question)
            try:
                await self._carry_out(made, answered)
            except AexlError as error:
                if not await self._waits(made):  # somebody was quicker where the queue was not asked
                    return logger.warning("%s answered for deployment %s in vain: %s", answered.by, made.id, error)
                note = f"{answered.by} said {answered.choice}, and it could not be done: {error}"
                continue
            return None

    async def _carry_out(self, made: Deployment, answered: Answered) -> None:
        """Do what was answered, as soon as it can be done: a host that is starting runs no handlers yet."""
        pause = SHORTEST
        while True:
            try:
                await self._apply(made, answered)
            except Unavailable as error:
                logger.warning("what %s answered for deployment %s waits: %s", answered.by, made.id, error)
            else:
                return
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    async def _waits(self, made: Deployment) -> bool:
        now = await self._database.read(lambda db: rows.find_deployment(db, made.project, made.id))
        return now.status == "waiting"


def _question(db: apsw.Connection, made: Deployment, note: str) -> Question:
    place = rows.place_of(db, made.project)
    words = {"deploy": "deploy", "promote": "promote", "rollback": "roll back to"}[made.cause]
    why = f": {made.reason}" if made.reason else ""
    detail = {
        "deployment": made.id,
        "project": place,
        "environment": made.environment,
        "snapshot": made.snapshot,
        "runtime": made.runtime or BUILTIN,
        "weight": made.weight,
    }
    return Question(
        id=made.id,
        subject=made.environment,
        text=f"{made.by} asks to {words} snapshot {made.snapshot[:16]} to {made.environment} of {place}{why}",
        detail={**detail, "before": note} if note else detail,
        asked=made.created,
    )
