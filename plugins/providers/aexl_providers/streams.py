"""Reading answers without touching them: usage, id and end, of bodies and of event streams.

A stream passes frame by frame. Only a frame that can say something that is needed
is decoded, and whether it can is decided by searching its raw bytes. Where aexl
asked for the usage that the caller did not ask for, the chunk that has it is taken
out, and ``"usage":null`` from the others; no other byte changes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from aexl.api import Surface, Usage
from aexl.api.sse import Frame, Framer
from aexl_providers.nulls import strip_null_usage
from aexl_providers.usage import (
    ChatUsage,
    Implausible,
    MessagesUsage,
    OutputItem,
    ResponsesUsage,
    count_tools,
    from_chat,
    from_messages,
    from_responses,
)

logger = logging.getLogger(__name__)

MAX_FRAME: Final = 32 << 20
"""A response's last event repeats the whole answer, pictures included."""

_USAGE_OBJECT: Final = re.compile(rb'"usage"\s*:\s*\{')
_USAGE_VALUE: Final = re.compile(rb"\s*:\s*(?:null\b|(\{))")
_TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FREE: Final = Usage()
_NO_TOOLS: Final[Mapping[str, int]] = {}


class _ChatBody(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: object = None
    choices: object = None
    error: object = None


class _Response(msgspec.Struct):
    id: object = None
    status: object = None
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: object = None
    output: list[OutputItem] | None = None


class _ResponsesEvent(msgspec.Struct):
    type: object = None
    response: _Response | None = None


class _MessagesEvent(msgspec.Struct):
    type: object = None
    message: _MessageBody | None = None
    usage: msgspec.Raw = msgspec.Raw()


class _MessageBody(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw()


_CHAT: Final = msgspec.json.Decoder(_ChatBody)
_CHAT_USAGE: Final = msgspec.json.Decoder(ChatUsage)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_RESPONSES_EVENT: Final = msgspec.json.Decoder(_ResponsesEvent)
_RESPONSES_USAGE: Final = msgspec.json.Decoder(ResponsesUsage)
_MESSAGE: Final = msgspec.json.Decoder(_MessageBody)
_MESSAGES_EVENT: Final = msgspec.json.Decoder(_MessagesEvent)
_MESSAGES_USAGE: Final = msgspec.json.Decoder(MessagesUsage)

_Wrong = (msgspec.MsgspecError, Implausible, UnicodeDecodeError, RecursionError)


def _distrust(error: Exception) -> None:
    logger.warning("a provider reported usage that cannot be true, so the call is booked by its bound: %s", error)


def _is_absent(raw: msgspec.Raw) -> bool:
    return bytes(raw) in (b"", b"null")


def _chat_usage(body: _ChatBody, tools: Mapping[str, int]) -> Usage | None:
    if _is_absent(body.usage):
        return None
    return from_chat(_CHAT_USAGE.decode(body.usage), body.service_tier, tools)


def _response_usage(response: _Response) -> Usage | None:
    if _is_absent(response.usage):
        return None
    return from_responses(_RESPONSES_USAGE.decode(response.usage), response.service_tier, count_tools(response.output))


class BodyReader:
    """Reads a JSON answer of ``surface`` once it is complete.

    Args:
        surface: The dialect.
        tools: Uses of server tools that a chat call implies, because its answer does not count them.

    Attributes:
        usage: What was consumed, if the answer says so.
        upstream_id: The id of a response.
        finished: The body was complete JSON.
    """

    __slots__ = ("_surface", "_tools", "finished", "upstream_id", "usage")

    def __init__(self, surface: Surface, tools: Mapping[str, int] = _NO_TOOLS) -> None:
        self._surface = surface
        self._tools = tools
        self.usage: Usage | None = None
        self.upstream_id: str | None = None
        self.finished = False

    def read(self, body: bytes) -> None:
        """Take in the whole body of a successful answer; one that is not JSON is no finished answer."""
        try:
            if self._surface == "messages":
                message = _MESSAGE.decode(body)
                self.finished = True
                if not _is_absent(message.usage):
                    self.usage = from_messages(_MESSAGES_USAGE.decode(message.usage))
            elif self._surface == "responses":
                response = _RESPONSE.decode(body)
                self.finished = response.status != "failed"
                self.upstream_id = response.id if isinstance(response.id, str) else None
                self.usage = _response_usage(response)
            elif self._surface in ("count", "stored"):
                self.finished = True
                self.usage = _FREE  # a stored response repeats the usage of the call that made it
            else:
                chat = _CHAT.decode(body)
                self.finished = True
                self.usage = _chat_usage(chat, self._tools)
        except _Wrong as error:
            _distrust(error)


class StreamReader:
    """Passes a stream's frames on and learns what they say; one class for each dialect.

    Attributes:
        usage: What was consumed, as far as the stream has said it.
        upstream_id: The id of a response.
        ended: The stream has ended as its dialect says.
        failed: An event in it says that there is no good answer.
    """

    __slots__ = ("_framer", "ended", "failed", "upstream_id", "usage")

    def __init__(self) -> None:
        self._framer = Framer(MAX_FRAME)
        self.usage: Usage | None = None
        self.upstream_id: str | None = None
        self.ended = False
        self.failed = False

    @property
    def finished(self) -> bool:
        """Whether the stream was an answer to its end; one that ends with an error is not."""
        return self.ended and not self.failed

    def feed(self, data: bytes) -> bytes:
        """Return the frames that ``data`` completes, as they are to be sent on; perhaps nothing.

        Raises:
            Invalid: If an event is longer than ``MAX_FRAME`` bytes.
        """
        frames = self._framer.feed(data)
        if len(frames) == 1:
            return self._pass(frames[0])
        return b"".join([self._pass(frame) for frame in frames])

    def close(self) -> bytes:
        """Return what the end of the stream leaves over, as it came."""
        passed = b"".join([self._pass(frame) for frame in self._framer.close()])
        return passed + self._framer.remainder

    def _pass(self, frame: Frame) -> bytes:
        try:
            self._observe(frame)
        except _Wrong as error:
            self.usage = None
            _distrust(error)
        return frame.raw

    def _observe(self, frame: Frame) -> None:
        """Learn what a frame says."""


class ChatReader(StreamReader):
    """Chat/completions and completions: unnamed events, ``[DONE]`` at the end.

    Args:
        injected: The caller did not ask for the usage.
        tools: Uses of server tools that the call implies.
    """

    __slots__ = ("_injected", "_tools")

    def __init__(self, injected: bool, tools: Mapping[str, int] = _NO_TOOLS) -> None:
        super().__init__()
        self._injected = injected
        self._tools = tools

    def _pass(self, frame: Frame) -> bytes:
        raw = frame.raw
        start = raw.find(b'"usage"')
        if start >= 0:
            return self._pass_usage(frame, start)
        if b"[DONE]" in raw and (frame.data or b"").strip() == b"[DONE]":
            self.ended = True
        elif b'"error"' in raw:
            self._read_error(frame)
        return raw

    def _pass_usage(self, frame: Frame, start: int) -> bytes:
        """Take in a frame with the word in it, and return what is to be sent of it."""
        raw = frame.raw
        value = _USAGE_VALUE.match(raw, start + 7)
        if value is None or value[1] or b'"error"' in raw or raw.find(b'"usage"', start + 7) >= 0:
            return self._pass_unusual(frame)
        return strip_null_usage(raw) if self._injected else raw

    def _pass_unusual(self, frame: Frame) -> bytes:
        """Do the same with a frame that has to be decoded, because it may say how much, or that there was an error."""
        raw = frame.raw
        if _USAGE_OBJECT.search(raw) is not None:
            try:
                chunk = _CHAT.decode(frame.data or b"")
                usage = _chat_usage(chunk, self._tools)
            except _Wrong as error:
                self.usage = None
                _distrust(error)
                return raw
            if usage is not None:
                self.usage = usage
                return b"" if self._injected and chunk.choices == [] else raw
        if b'"error"' in raw:
            self._read_error(frame)
        return strip_null_usage(raw) if self._injected else raw

    def _read_error(self, frame: Frame) -> None:
        try:
            self.failed = self.failed or _CHAT.decode(frame.data or b"").error is not None
        except _Wrong:
            return  # it was text, or nonsense that the client will see as well


class ResponsesReader(StreamReader):
    """Responses: named events; one of three terminal ones has the whole response."""

    __slots__ = ()

    def _observe(self, frame: Frame) -> None:
        raw = frame.raw
        if b'"response.completed"' in raw or b'"response.incomplete"' in raw or b'"response.failed"' in raw:
            event = _RESPONSES_EVENT.decode(frame.data or b"")
            if event.type in _TERMINAL:
                self.ended = True
                self.failed = event.type == "response.failed"
                if event.response is not None:
                    self._keep_id(event.response)
                    self.usage = _response_usage(event.response)
        elif self.upstream_id is None and b'"response.created"' in raw:
            event = _RESPONSES_EVENT.decode(frame.data or b"")
            if event.response is not None:
                self._keep_id(event.response)
        elif b'"error"' in raw and _RESPONSES_EVENT.decode(frame.data or b"").type == "error":
            self.failed = True

    def _keep_id(self, response: _Response) -> None:
        if isinstance(response.id, str):
            self.upstream_id = response.id


class MessagesReader(StreamReader):
    """Messages: the usage begins in ``message_start``, and ``message_delta`` has it cumulatively.

    Between the two, ``usage`` has the input and next to no output: right for a
    stream that is left half way, and taken back if it ends like that.
    """

    __slots__ = ("_complete", "_reported")

    def __init__(self) -> None:
        super().__init__()
        self._reported = MessagesUsage()
        self._complete = False

    def close(self) -> bytes:
        """Return what the end of the stream leaves over; without ``message_delta`` there is no usage."""
        rest = super().close()
        self._end()
        return rest

    def _observe(self, frame: Frame) -> None:
        raw = frame.raw
        if b'"message_' not in raw and b'"error"' not in raw:
            return
        event = _MESSAGES_EVENT.decode(frame.data or b"")
        if event.type == "message_start" and event.message is not None:
            self._report(event.message.usage)
        elif event.type == "message_delta":
            self._complete = self._report(event.usage) or self._complete
        elif event.type in ("message_stop", "error"):
            self.ended = True
            self.failed = self.failed or event.type == "error"
            self._end()

    def _report(self, raw: msgspec.Raw) -> bool:
        if _is_absent(raw):
            return False
        self._reported = self._reported.followed_by(_MESSAGES_USAGE.decode(raw))
        self.usage = from_messages(self._reported)
        return True

    def _end(self) -> None:
        if not self._complete:
            self.usage = None


def stream_reader(surface: Surface, injected: bool, tools: Mapping[str, int] = _NO_TOOLS) -> StreamReader:
    """Return a reader for a stream of ``surface``; see ``ChatReader`` for the rest."""
    if surface == "responses":
        return ResponsesReader()
    if surface == "messages":
        return MessagesReader()
    return ChatReader(injected, tools)
