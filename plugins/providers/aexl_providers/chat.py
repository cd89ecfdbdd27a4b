"""Chat/completions and completions: where their answers say what was consumed.

Where aexl asked for the usage that the caller did not ask for, the chunk that has
it is taken out, and ``"usage":null`` from the others; no other byte changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.sse import Frame
from aexl_providers.nulls import strip_null_usage
from aexl_providers.streams import WRONG, StreamReader, distrust, is_absent
from aexl_providers.usage import ChatUsage, from_chat

NO_TOOLS: Final[Mapping[str, int]] = {}

_USAGE_OBJECT: Final = re.compile(rb'"usage"\s*:\s*\{')
_USAGE_VALUE: Final = re.compile(rb"\s*:\s*(?:null\b|(\{))")


class ChatBody(msgspec.Struct):
    """An answer, as far as it is read."""

    usage: msgspec.Raw = msgspec.Raw()
    service_tier: object = None


class _Chunk(ChatBody):
    choices: object = None
    error: object = None


CHAT_BODY: Final = msgspec.json.Decoder(ChatBody)
_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_USAGE: Final = msgspec.json.Decoder(ChatUsage)


def chat_usage(body: ChatBody, tools: Mapping[str, int]) -> Usage | None:
    """Return what a whole answer, or the chunk that has it, says was consumed."""
    if is_absent(body.usage):
        return None
    return from_chat(_USAGE.decode(body.usage), body.service_tier, tools)


class ChatReader(StreamReader):
    """Chat/completions and completions: unnamed events, ``[DONE]`` at the end.

    Args:
        injected: The caller did not ask for the usage.
        tools: Uses of server tools that the call implies.
    """

    __slots__ = ("_injected", "_tools")

    def __init__(self, injected: bool, tools: Mapping[str, int] = NO_TOOLS) -> None:
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
                chunk = _CHUNK.decode(frame.data or b"")
                usage = chat_usage(chunk, self._tools)
            except WRONG as error:
                self.usage = None
                distrust(error)
                return raw
            if usage is not None:
                self.usage = usage
                return b"" if self._injected and chunk.choices == [] else raw
        if b'"error"' in raw:
            self._read_error(frame)
        return strip_null_usage(raw) if self._injected else raw

    def _read_error(self, frame: Frame) -> None:
        try:
            self.failed = self.failed or _CHUNK.decode(frame.data or b"").error is not None
        except WRONG:
            return  # it was text, or nonsense that the client will see as well
