"""A provider type, the providers it builds, and their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import trio

from aexl.api import Call, Headers, Provider, Reply, Surface, Target
from aexl.errors import ConfigError, Problem, ProviderFailed
from aexl_handbook.chat import count_usage, read_question, split_words, write_stream, write_whole
from aexl_handbook.passages import find_best, read_passages
from aexl_handbook.synonyms import Synonyms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOTHING_FOUND = "The handbook says nothing about that."

_JSON: Headers = ((b"content-type", b"application/json"),)
_EVENTS: Headers = ((b"content-type", b"text/event-stream; charset=utf-8"),)


class HandbookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider's table; ``least`` is how alike a passage must be to count as an answer."""

    folder: str
    type: str = "handbook"
    synonyms: dict[str, str] = {}
    least: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.15


class HandbookType:
    """``type = "handbook"`` in ``[providers.<name>]``."""

    name = "handbook"

    def build(self, name: str, table: Mapping[str, object]) -> Provider:
        """Check the table and make a provider of it."""
        try:
            config = msgspec.convert(dict(table), HandbookConfig)
            synonyms = Synonyms(config.synonyms)
        except ValueError as error:  # msgspec's ValidationError is one, too
            raise ConfigError([Problem(key=f"providers.{name}", message=str(error))]) from error
        return HandbookProvider(name, Path(config.folder).expanduser(), synonyms, config.least)


class HandbookProvider:
    """Answers a question with the passage that is most like it, word for word, or says that there is none.

    The folder is read for each question, in a thread: what somebody saves counts at once.
    """

    surfaces: frozenset[Surface] = frozenset({"chat"})

    def __init__(self, name: str, folder: Path, synonyms: Synonyms, least: float) -> None:
        self.name = name
        self._folder = folder
        self._synonyms = synonyms
        self._least = least

    def open(self, call: Call, target: Target) -> AbstractAsyncContextManager[Reply]:
        """Return the answer as a context."""
        return self._answer(call, target.output_limit or call.output_limit)

    @asynccontextmanager
    async def _answer(self, call: Call, limit: int | None) -> AsyncIterator[Reply]:
        try:
            text = await trio.to_thread.run_sync(self._look_up, read_question(call.body), abandon_on_cancel=True)
        except OSError as error:
            reason = f"the handbook cannot be read: {error}"
            raise ProviderFailed(reason, code="handbook_unreadable", status=502, charged="no") from error
        reply = HandbookReply(call, split_words(text), limit)
        try:
            yield reply
        finally:
            await reply.chunks.aclose()

    def _look_up(self, question: str) -> str:
        found = find_best(question, read_passages(self._folder), self._synonyms, self._least)
        return (
            f"{found.text}\n\n({found.file}{': ' + found.heading if found.heading else ''})" if found else NOTHING_FOUND
        )


class HandbookReply:
    """One answer, cut at the output limit."""

    status = 200
    upstream_id = None  # nothing is stored that a later request could name

    def __init__(self, call: Call, words: list[str], limit: int | None) -> None:
        kept = words if limit is None else words[:limit]
        self.usage = count_usage(call.body, kept)
        complete = len(kept) == len(words)
        self.headers: Headers = _EVENTS if call.stream else _JSON
        write = write_stream(call, kept, self.usage, complete=complete)
        self.chunks = _Chunks(write if call.stream else iter([write_whole(call, kept, self.usage, complete=complete)]))

    @property
    def finished(self) -> bool:
        """All of it has been read."""
        return self.chunks.ended


class _Chunks(trio.abc.ReceiveChannel[bytes]):
    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts: Iterator[bytes] | None = parts
        self.ended = False

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._parts is None:
            raise trio.ClosedResourceError
        for part in self._parts:
            return part
        self.ended = True
        raise trio.EndOfChannel

    async def aclose(self) -> None:
        self._parts = None
        await trio.lowlevel.checkpoint()
