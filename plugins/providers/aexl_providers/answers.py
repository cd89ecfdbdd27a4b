"""Reading answers without touching them: the reader for a body, or for a stream, by the dialect of the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from aexl.api import Surface, Usage
from aexl_providers.chat import CHAT_BODY, NO_TOOLS, ChatReader, chat_usage
from aexl_providers.gemini import GeminiReader, embedding_usage, read_whole
from aexl_providers.messages import MESSAGE, MessagesReader, message_usage
from aexl_providers.responses import RESPONSE, ResponsesReader, response_usage
from aexl_providers.streams import WRONG, StreamReader, distrust

MAX_READ: Final = 32 << 20
"""Bytes of a JSON answer; one that is longer passes, but its usage is not read."""

_FREE: Final = Usage()
_FREE_SURFACES: Final = frozenset({"count", "stored", "moderations"})
"""A stored response repeats the usage of the call that made it."""


class Reader(Protocol):
    """What passes the pieces of an answer on and learns from them.

    Attributes:
        usage: What was consumed, as far as the answer has said it.
        upstream_id: The id of a response.
    """

    usage: Usage | None
    upstream_id: str | None

    @property
    def finished(self) -> bool:
        """Whether it was an answer to its end."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Return what is to be passed on now that ``data`` has come; perhaps nothing.

        Raises:
            Invalid: If it cannot be understood any further.
        """
        ...

    def close(self) -> bytes:
        """Return what is left to be passed on at the end."""
        ...


class Passing:
    """Learns nothing from a body."""

    __slots__ = ("finished", "upstream_id", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.upstream_id: str | None = None
        self.finished = False

    def feed(self, data: bytes) -> bytes:
        """Pass a piece on."""
        return data

    def close(self) -> bytes:
        """Hear that the body has ended."""
        self.finished = True
        return b""


class BodyReader:
    """Passes a JSON answer of ``surface`` on, and reads it once it is complete.

    Args:
        surface: The dialect.
        tools: Uses of server tools that a chat call implies, because its answer does not count them.

    Attributes:
        usage: What was consumed, if the answer says so.
        upstream_id: The id of a response.
        finished: The body was complete JSON.
    """

    __slots__ = ("_parts", "_size", "_surface", "_tools", "finished", "upstream_id", "usage")

    def __init__(self, surface: Surface, tools: Mapping[str, int] = NO_TOOLS) -> None:
        self._surface = surface
        self._tools = tools
        self._parts: list[bytes] = []
        self._size = 0
        self.usage: Usage | None = None
        self.upstream_id: str | None = None
        self.finished = False

    def feed(self, data: bytes) -> bytes:
        """Pass a piece on, and keep it until the end."""
        self._size += len(data)
        if self._size <= MAX_READ:
            self._parts.append(data)
        else:
            self._parts.clear()
        return data

    def close(self) -> bytes:
        """Read the whole."""
        if self._size <= MAX_READ:
            self.read(b"".join(self._parts))
            self._parts.clear()
        else:
            self.finished = True
        return b""

    def read(self, body: bytes) -> None:
        """Take in the whole body of a successful answer; one that is not JSON is no finished answer."""
        try:
            if self._surface == "messages":
                message = MESSAGE.decode(body)
                self.finished = True
                self.usage = message_usage(message)
            elif self._surface == "responses":
                response = RESPONSE.decode(body)
                self.finished = response.status != "failed"
                self.upstream_id = response.id if isinstance(response.id, str) else None
                self.usage = response_usage(response)
            elif self._surface in _FREE_SURFACES:
                self.finished = True
                self.usage = _FREE
            elif self._surface == "gemini":
                progress = read_whole(body)
                self.finished = not progress.failed
                self.upstream_id = progress.response_id
                self.usage = progress.usage
            elif self._surface == "gemini_embeddings":
                self.finished = True
                self.usage = embedding_usage(body)
            else:
                chat = CHAT_BODY.decode(body)
                self.finished = True
                self.usage = chat_usage(chat, self._tools)
        except WRONG as error:
            distrust(error)


def stream_reader(surface: Surface, injected: bool, tools: Mapping[str, int] = NO_TOOLS) -> StreamReader:
    """Return a reader for a stream of ``surface``; see ``ChatReader`` for the rest."""
    if surface == "responses":
        return ResponsesReader()
    if surface == "messages":
        return MessagesReader()
    if surface == "gemini":
        return GeminiReader()
    return ChatReader(injected, tools)
