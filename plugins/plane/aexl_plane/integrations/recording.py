"""Calls of integrations in the database and the ledger: before they happen, and how they have ended."""

from __future__ import annotations

import hashlib
import time
from typing import Final

import apsw
import msgspec

from aexl.errors import Refused
from aexl_plane.integrations.records import Asked, Done
from aexl_plane.storage import actions
from aexl_plane.storage.database import Database, tell

KEPT_SECONDS: Final = 86_400.0
"""How long an idempotency key counts."""

_LOST: Final = ("cancelled", "integration_timeout")
"""Outcomes after which nobody knows whether it has happened."""


class Recorder:
    """Writes down what connections are asked for. Each method is durable when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refused(self, asked: Asked, code: str) -> None:
        """Note a call that may not run."""
        data = {**_data(asked), "outcome": code}
        await self._database.write(lambda db: tell(db, "action_refused", asked.connection.id, data))

    async def begin(self, asked: Asked, integration: str) -> Done | None:
        """Note a call that is about to run; return the answer of an earlier one with its key, if there is one.

        Raises:
            Refused: If the key belongs to another call, or to one whose end is not known.
        """
        now = time.time()

        def work(connection: apsw.Connection) -> Done | None:
            if asked.key is not None:
                earlier = actions.claim(connection, asked.connection.id, asked.key, _digest(asked), now, KEPT_SECONDS)
                if earlier is not None:
                    return msgspec.json.decode(earlier, type=Done)
            tell(connection, "action_started", asked.connection.id, {**_data(asked), "integration": integration})
            return None

        return await self._database.write(work)

    async def end(
        self,
        asked: Asked,
        integration: str,
        outcome: str,
        milliseconds: int,
        execution: str | None,
        done: Done | None,
    ) -> None:
        """Note how a call has ended."""
        data = {**_data(asked), "integration": integration, "outcome": outcome, "milliseconds": milliseconds}
        if execution is not None:
            data["execution"] = execution

        def work(connection: apsw.Connection) -> None:
            if asked.key is not None and done is not None:
                actions.keep(connection, asked.connection.id, asked.key, msgspec.json.encode(done).decode())
            elif asked.key is not None and outcome not in _LOST:
                actions.forget(connection, asked.connection.id, asked.key)
            tell(connection, "action_ended", asked.connection.id, data)

        await self._database.write(work)


def _data(asked: Asked) -> dict[str, str | int]:
    connection = asked.connection
    return {
        "call": asked.id,
        "project": connection.project,
        "provider": connection.provider,
        "action": asked.action[:200],
        "by": asked.by,
    }


def _digest(asked: Asked) -> str:
    data = msgspec.json.encode([asked.action, asked.params], order="sorted")
    return hashlib.sha256(data).hexdigest()


def check_key(key: str | None) -> str | None:
    """Return an idempotency key.

    Raises:
        Refused: 400 if it is none.
    """
    if key is not None and not (1 <= len(key) <= 200 and key.isprintable()):
        raise Refused(
            "an idempotency key has 1 to 200 printable characters", code="invalid_idempotency_key", status=400
        )
    return key
