"""A provider type, the providers it builds, and their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Self

import msgspec
import trio

from aexl.api import Call, Headers, Provider, Surface, Target, Usage
from aexl.errors import ConfigError, Problem
from aexl_echo.conversation import answer
from aexl_echo.dialects import stream, whole

_SURFACES: frozenset[Surface] = frozenset(
    {
        "chat",
        "completions",
        "count",
        "embeddings",
        "gemini",
        "gemini_embeddings",
        "messages",
        "moderations",
        "responses",
    }
)
_MADE_OF_INPUT = frozenset({"embeddings", "gemini_embeddings"})
_FREE = frozenset({"count", "moderations"})
_JSON: Headers = ((b"content-type", b"application/json"),)
_EVENTS: Headers = ((b"content-type", b"text/event-stream; charset=utf-8"),)


class EchoConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table of an echo; ``delay`` is the seconds before each event of a stream."""

    type: str = "echo"
    delay: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class EchoType:
    """``type = "echo"`` in ``[providers.<name>]``."""

    name = "echo"

    def build(self, name: str, table: Mapping[str, object]) -> Provider:
        """Check the table and make a provider of it."""
        try:
            config = msgspec.convert(dict(table), EchoConfig)
        except msgspec.ValidationError as error:
            raise ConfigError([Problem(key=f"providers.{name}", message=str(error))]) from error
        return EchoProvider(name, delay=config.delay)


class EchoProvider:
    """Says back the last message."""

    surfaces = _SURFACES

    def __init__(self, name: str, *, delay: float = 0.0) -> None:
        self.name = name
        self._delay = delay

    def open(self, call: Call, target: Target) -> EchoReply:
        """Return the answer, which is a context of its own because nothing has to be opened."""
        return EchoReply(call, target.output_limit or call.output_limit, self._delay)


class EchoReply:
    """One answer, and the context it is read in: nothing has to be opened or closed."""

    status = 200
    upstream_id = None  # nothing is stored that a later request could name

    def __init__(self, call: Call, limit: int | None, delay: float) -> None:
        said = answer(call.body, limit)
        made = 0 if call.surface in _MADE_OF_INPUT else said.output_tokens * call.choices
        used = Usage(input_tokens=said.input_tokens, output_tokens=made)
        parts = stream(call, said) if call.stream else iter([msgspec.json.encode(whole(call, said))])
        array = call.surface == "gemini" and "alt=sse" not in call.query.split("&")
        self.headers: Headers = _EVENTS if call.stream and not array else _JSON
        self.chunks = Chunks(parts, delay if call.stream else 0.0)
        self.usage = Usage() if call.surface in _FREE else used

    @property
    def finished(self) -> bool:
        """All of it has been read."""
        return self.chunks.ended

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.chunks.aclose()


class Chunks(trio.abc.ReceiveChannel[bytes]):
    """Gives out the pieces, each after a delay."""

    def __init__(self, parts: Iterator[bytes], delay: float) -> None:
        self._parts: Iterator[bytes] | None = parts
        self._delay = delay
        self.ended = False

    async def receive(self) -> bytes:
        """Return the next piece."""
        await trio.sleep(self._delay)
        if self._parts is None:
            raise trio.ClosedResourceError
        for part in self._parts:
            return part
        self.ended = True
        raise trio.EndOfChannel

    async def aclose(self) -> None:
        """Stop."""
        self._parts = None
        await trio.lowlevel.checkpoint()
