"""An application's memory, as the SDK asks for it.

``scope`` of a request is taken and has no effect: the project is the boundary.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

import apsw
import msgspec
from msgspec import Meta

from aexl.errors import Invalid, Refused
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Handler, Route
from aexl_plane.http.wire_files import PROJECT
from aexl_plane.options import PlaneOptions
from aexl_plane.stamps import stamp
from aexl_plane.storage.database import Database
from aexl_plane.storage.memory import MOST_MESSAGES, Dated, Item, Memory

T = TypeVar("T")

_THREAD: Final = 512
_SPACE: Final = re.compile(r"\s+")

Ttl = Annotated[int, Meta(ge=60, le=31_536_000)]
Namespace = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(min_length=1, max_length=16)]
Key = Annotated[str, Meta(min_length=1, max_length=256)]


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["human", "ai", "system", "tool"]
    content: Annotated[str, Meta(min_length=1, max_length=20_000)]
    ts: str | None = None
    meta: Mapping[str, Any] | None = None


class _Append(msgspec.Struct, frozen=True, kw_only=True):
    messages: Annotated[tuple[_Message, ...], Meta(min_length=1, max_length=100)]
    ttl_seconds: Ttl | None = None


class _Patch(msgspec.Struct, frozen=True, kw_only=True):
    patch: Mapping[str, Any] = {}
    ttl_seconds: Ttl | None = None


class _Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    state: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    ttl_seconds: Ttl | None = None


class _Put(msgspec.Struct, frozen=True, kw_only=True):
    namespace: Namespace
    key: Key
    value: Mapping[str, Any] = {}
    tags: Mapping[str, Any] = {}
    ttl_seconds: Ttl | None = None


class _Get(msgspec.Struct, frozen=True, kw_only=True):
    namespace: Namespace
    key: Key


class _Search(msgspec.Struct, frozen=True, kw_only=True):
    namespace: Namespace
    query: Mapping[str, Any] = {}
    limit: Annotated[int, Meta(ge=1, le=200)] = 20


class _Selector(msgspec.Struct, frozen=True, kw_only=True):
    key: Key | None = None
    keys: tuple[Key, ...] = ()


class _Forget(msgspec.Struct, frozen=True, kw_only=True):
    namespace: Namespace
    selector: _Selector = _Selector()


class MemoryRoutes:
    """The handlers."""

    def __init__(self, database: Database, options: Callable[[], PlaneOptions]) -> None:
        self._database = database
        self._options = options

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        thread, recall = f"{PROJECT}/memory/thread/{{thread}}", f"{PROJECT}/memory/recall"

        def post(path: str, answer: Handler) -> Route:
            return Route(method="POST", path=path, needs="execute", answer=answer)

        def get(path: str, answer: Handler) -> Route:
            return Route(method="GET", path=path, needs="read", answer=answer)

        def ask(path: str, answer: Handler) -> Route:
            return Route(method="POST", path=path, needs="read", answer=answer)

        return (
            post(f"{thread}/messages:append", self.append),
            get(f"{thread}/messages", self.messages),
            get(f"{thread}/state", self.state),
            Route(method="PUT", path=f"{thread}/state", needs="execute", answer=self.patch),
            post(f"{thread}/checkpoint", self.checkpoint),
            get(f"{thread}/checkpoint/latest", self.latest_checkpoint),
            post(f"{recall}:put", self.put),
            ask(f"{recall}:get", self.get),
            ask(f"{recall}:search", self.search),
            post(f"{recall}:forget", self.forget),
        )

    async def _read(self, request: Request, work: Callable[[Memory], T]) -> T:
        return await self._database.read(lambda db: work(self._memory(db, request)))

    async def _write(self, request: Request, work: Callable[[Memory], T]) -> T:
        return await self._database.write(lambda db: work(self._memory(db, request)))

    def _memory(self, connection: apsw.Connection, request: Request) -> Memory:
        return Memory(connection, request.project.id, self._options().memory_items)

    async def append(self, request: Request) -> Reply:
        """Add messages to a thread; the answer has the latest ones."""
        thread, wanted = _thread(request), await request.json(_Append)
        now = stamp(time.time())
        bodies = [
            {"role": each.role, "content": each.content, "ts": each.ts or now, "meta": each.meta or {}}
            for each in wanted.messages
        ]
        found = await self._write(request, lambda memory: memory.append(thread, bodies, wanted.ttl_seconds))
        return _messages(request, thread, found)

    async def messages(self, request: Request) -> Reply:
        """Return the latest messages of a thread."""
        thread, limit = _thread(request), request.number("limit", 50, MOST_MESSAGES)
        found = await self._read(request, lambda memory: memory.messages(thread, limit))
        return _messages(request, thread, found)

    async def state(self, request: Request) -> Reply:
        """Return a thread's state; one that has none has an empty one."""
        thread = _thread(request)
        found = await self._read(request, lambda memory: memory.state(thread))
        return _state(request, thread, found or Dated({}, time.time()))

    async def patch(self, request: Request) -> Reply:
        """Change a thread's state, key by key."""
        thread, wanted = _thread(request), await request.json(_Patch)
        found = await self._write(request, lambda memory: memory.patch(thread, wanted.patch, wanted.ttl_seconds))
        return _state(request, thread, found)

    async def checkpoint(self, request: Request) -> Reply:
        """Add a checkpoint to a thread."""
        thread, wanted = _thread(request), await request.json(_Checkpoint)
        body = {"state": wanted.state, "metadata": wanted.metadata}
        id, made = await self._write(request, lambda memory: memory.checkpoint(thread, body, wanted.ttl_seconds))
        return _checkpoint(request, thread, id, made)

    async def latest_checkpoint(self, request: Request) -> Reply:
        """Return the last checkpoint of a thread."""
        thread = _thread(request)
        found = await self._read(request, lambda memory: memory.latest_checkpoint(thread))
        if found is None:
            # The SDK looks for this word in the text of the error.
            message = f"checkpoint_not_found: the thread {thread[:80]} has no checkpoint"
            raise Refused(message, code="checkpoint_not_found", status=404)
        return _checkpoint(request, thread, *found)

    async def put(self, request: Request) -> Reply:
        """Keep an item."""
        wanted = await request.json(_Put)
        place = _check_namespace(wanted.namespace)
        id = await self._write(
            request, lambda memory: memory.put(place, wanted.key, wanted.value, wanted.tags, wanted.ttl_seconds)
        )
        return json_reply({"ok": True, "id": id})

    async def get(self, request: Request) -> Reply:
        """Return one item."""
        wanted = await request.json(_Get)
        place = _check_namespace(wanted.namespace)
        found = await self._read(request, lambda memory: memory.get(place, wanted.key))
        return json_reply({"found": found is not None, "item": _item(found) if found else None})

    async def search(self, request: Request) -> Reply:
        """Return the items below a namespace that fit a query."""
        wanted = await request.json(_Search)
        place = _check_namespace(wanted.namespace)
        found = await self._read(request, lambda memory: memory.search(place, wanted.query, wanted.limit))
        return json_reply({"items": [_item(each) for each in found]})

    async def forget(self, request: Request) -> Reply:
        """Remove items by key."""
        wanted = await request.json(_Forget)
        place = _check_namespace(wanted.namespace)
        keys = [*wanted.selector.keys, *([wanted.selector.key] if wanted.selector.key else [])]
        if not keys:
            raise Invalid("selector must have key, or keys")
        deleted = await self._write(request, lambda memory: memory.forget(place, keys))
        return json_reply({"deleted": deleted})


def _thread(request: Request) -> str:
    """Return the thread's key, white space made one blank each, as the SDK does before it asks."""
    key = _SPACE.sub(" ", request.parts["thread"].strip())
    if not 1 <= len(key) <= _THREAD:
        raise Invalid(f"a thread's key has 1 to {_THREAD} characters, not {len(key)}")
    return key


def _check_namespace(namespace: Sequence[str]) -> Sequence[str]:
    if not all(part.isprintable() for part in namespace):
        raise Invalid("a namespace's parts must be printable")
    return namespace


def _thread_id(request: Request, thread: str) -> str:
    return f"th_{hashlib.sha256(f'{request.project.id} {thread}'.encode()).hexdigest()[:20]}"


def _messages(request: Request, thread: str, found: Sequence[Dated]) -> Reply:
    updated = found[-1].written if found else time.time()
    return json_reply(
        {
            "thread_id": _thread_id(request, thread),
            "messages": [each.body for each in found],
            "updated_at": stamp(updated),
        }
    )


def _state(request: Request, thread: str, found: Dated) -> Reply:
    return json_reply(
        {"thread_id": _thread_id(request, thread), "state": found.body, "updated_at": stamp(found.written)}
    )


def _checkpoint(request: Request, thread: str, id: str, found: Dated) -> Reply:
    return json_reply(
        {
            "thread_id": _thread_id(request, thread),
            "checkpoint_id": id,
            **found.body,
            "created_at": stamp(found.written),
        }
    )


def _item(item: Item) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": item.value,
        "tags": item.tags,
        "updated_at": stamp(item.written),
    }
