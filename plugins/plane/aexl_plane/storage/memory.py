"""An application's memory: messages and state of threads, checkpoints, and items to recall.

What has expired is not there, and is removed when something is written beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from aexl.errors import Refused
from aexl_plane.names import new_id
from aexl_plane.storage.rows import number

LARGEST_STATE: Final = 1024 * 1024
"""Bytes of a thread's state, after a patch."""

MOST_MESSAGES: Final = 1000
"""Messages in one answer."""

_SEPARATOR: Final = "\x1f"

Body = Mapping[str, Any]


class Dated(NamedTuple):
    """Something that was written at a time, in Unix seconds."""

    body: Any
    written: float


class Item(NamedTuple):
    """Something to recall."""

    namespace: list[str]
    key: str
    value: Body
    tags: Body
    written: float


class Memory:
    """One project's memory, within the transaction that it is made in.

    Args:
        most: Messages, checkpoints and items that may be kept, each counted by itself.
    """

    def __init__(self, connection: apsw.Connection, project: str, most: int) -> None:
        self._connection = connection
        self._project = project
        self._most = most
        self._now = time.time()

    def append(self, thread: str, messages: Sequence[Body], ttl: int | None) -> Sequence[Dated]:
        """Add messages to a thread; return the latest that it has then.

        Raises:
            Refused: 409 if the memory is full.
        """
        self._make_room("messages", len(messages))
        first = self._next("messages", thread)
        for seq, message in enumerate(messages, first):
            row = (self._project, thread, seq, _text(message), self._now, self._end(ttl))
            self._connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", row)
        return self.messages(thread, MOST_MESSAGES)

    def messages(self, thread: str, limit: int) -> Sequence[Dated]:
        """Return the latest messages of a thread, oldest first."""
        query = "SELECT body, written FROM messages WHERE project = ? AND thread = ? AND {} ORDER BY seq DESC LIMIT ?"
        rows = self._live(query, self._project, thread, after=(limit,))
        return [Dated(msgspec.json.decode(body), written) for body, written in rows][::-1]

    def state(self, thread: str) -> Dated | None:
        """Return a thread's state, if it has one."""
        rows = self._live(
            "SELECT body, written FROM states WHERE project = ? AND thread = ? AND {}", self._project, thread
        )
        return Dated(msgspec.json.decode(rows[0][0]), rows[0][1]) if rows else None

    def patch(self, thread: str, patch: Body, ttl: int | None) -> Dated:
        """Replace what a thread's state has under the patch's keys; return all of it.

        Raises:
            Refused: 413 if it would be too large.
        """
        before = self.state(thread)
        after = {**(before.body if before else {}), **patch}
        text = _text(after)
        if len(text.encode()) > LARGEST_STATE:
            raise Refused(
                f"a thread's state may have {LARGEST_STATE} bytes; put large things into files or recalled items",
                code="body_too_large",
                status=413,
            )
        row = (self._project, thread, text, self._now, self._end(ttl))
        self._make_room("states", 0 if before else 1)
        self._connection.execute("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?)", row)
        return Dated(after, self._now)

    def checkpoint(self, thread: str, body: Body, ttl: int | None) -> tuple[str, Dated]:
        """Add a checkpoint; return its id and itself."""
        self._make_room("checkpoints", 1)
        id = new_id("cp")
        row = (
            self._project,
            thread,
            self._next("checkpoints", thread),
            id,
            _text(body),
            self._now,
            self._end(ttl),
        )
        self._connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return id, Dated(body, self._now)

    def latest_checkpoint(self, thread: str) -> tuple[str, Dated] | None:
        """Return the last checkpoint that a thread has, if any."""
        query = "SELECT id, body, written FROM checkpoints WHERE project = ? AND thread = ? AND {} ORDER BY seq DESC LIMIT 1"
        rows = self._live(query, self._project, thread)
        return (rows[0][0], Dated(msgspec.json.decode(rows[0][1]), rows[0][2])) if rows else None

    def put(self, namespace: Sequence[str], key: str, value: Body, tags: Body, ttl: int | None) -> str:
        """Keep an item, in the place of one of the same namespace and key; return its id."""
        place = _join(namespace)
        query = "SELECT id FROM recalled WHERE project = ? AND namespace = ? AND key = ? AND {}"
        before = self._live(query, self._project, place, key)
        id = before[0][0] if before else f"rc_{new_id('cp')[3:]}"
        self._make_room("recalled", 0 if before else 1)
        row = (
            self._project,
            place,
            key,
            id,
            _text({"value": value, "tags": tags}),
            self._now,
            self._end(ttl),
        )
        self._connection.execute("INSERT OR REPLACE INTO recalled VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return str(id)

    def get(self, namespace: Sequence[str], key: str) -> Item | None:
        """Return one item."""
        query = (
            "SELECT namespace, key, body, written FROM recalled WHERE project = ? AND namespace = ? AND key = ? AND {}"
        )
        rows = self._live(query, self._project, _join(namespace), key)
        return _item(rows[0]) if rows else None

    def search(self, namespace: Sequence[str], query: Body, limit: int) -> Sequence[Item]:
        """Return items below a namespace whose value or tags have what the query has, by namespace and key."""
        place = _join(namespace)
        found: list[Item] = []
        text = (
            "SELECT namespace, key, body, written FROM recalled WHERE project = ? AND namespace >= ? AND namespace < ? "
            "AND {} ORDER BY namespace, key"
        )
        rows = self._query(text, self._project, place, place[:-1] + chr(ord(_SEPARATOR) + 1))
        for item in map(_item, rows):
            if all(_has(item, name, wanted) for name, wanted in query.items()):
                found.append(item)
                if len(found) == limit:
                    break
        return found

    def forget(self, namespace: Sequence[str], keys: Sequence[str]) -> int:
        """Remove items; return how many there were."""
        place, before = _join(namespace), self._connection.total_changes()
        for key in keys:
            query = "DELETE FROM recalled WHERE project = ? AND namespace = ? AND key = ?"
            self._connection.execute(query, (self._project, place, key))
        return int(self._connection.total_changes() - before)

    def _end(self, ttl: int | None) -> float | None:
        return None if ttl is None else self._now + ttl

    def _next(self, table: str, thread: str) -> int:
        query = f"SELECT coalesce(max(seq), 0) + 1 FROM {table} WHERE project = ? AND thread = ?"
        return number(self._connection, query, (self._project, thread))

    def _query(self, query: str, *values: str, after: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Run a query in which ``{}`` stands for "has not expired"; rows are read as they are asked for."""
        text = query.format("(expires IS NULL OR expires > ?)")
        return self._connection.execute(text, (*values, self._now, *after))

    def _live(self, query: str, *values: str, after: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._query(query, *values, after=after))

    def _make_room(self, table: str, new: int) -> None:
        self._connection.execute(f"DELETE FROM {table} WHERE project = ? AND expires <= ?", (self._project, self._now))
        query = f"SELECT count(*) FROM {table} WHERE project = ?"
        count = number(self._connection, query, (self._project,))
        if count + new > self._most:
            raise Refused(
                f"this project's memory has {count} {table} and may have {self._most}; give them a time to live, "
                "forget some, or raise [plane] memory_items",
                code="memory_full",
                status=409,
            )


def _text(body: Body) -> str:
    return msgspec.json.encode(body).decode()


def _join(namespace: Sequence[str]) -> str:
    """Return a namespace as it is kept: each part followed by a character that no part has."""
    return "".join(f"{part}{_SEPARATOR}" for part in namespace)


def _item(row: tuple[Any, ...]) -> Item:
    namespace, key, body, written = row
    decoded = msgspec.json.decode(body)
    return Item(str(namespace).split(_SEPARATOR)[:-1], key, decoded["value"], decoded["tags"], written)


def _has(item: Item, name: str, wanted: object) -> bool:
    return any(name in side and side[name] == wanted for side in (item.value, item.tags))
