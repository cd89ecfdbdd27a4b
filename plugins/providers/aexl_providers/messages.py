"""Messages: where they say what was consumed."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.sse import Frame
from aexl_providers.streams import StreamReader, is_absent
from aexl_providers.usage import MessagesUsage, from_messages


class MessageBody(msgspec.Struct):
    """A message, as far as it is read."""

    usage: msgspec.Raw = msgspec.Raw()


class _Event(msgspec.Struct):
    type: object = None
    message: MessageBody | None = None
    usage: msgspec.Raw = msgspec.Raw()


MESSAGE: Final = msgspec.json.Decoder(MessageBody)
_EVENT: Final = msgspec.json.Decoder(_Event)
_USAGE: Final = msgspec.json.Decoder(MessagesUsage)


def message_usage(body: MessageBody) -> Usage | None:
    """Return what a whole message says was consumed."""
    return None if is_absent(body.usage) else from_messages(_USAGE.decode(body.usage))


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
        event = _EVENT.decode(frame.data or b"")
        if event.type == "message_start" and event.message is not None:
            self._report(event.message.usage)
        elif event.type == "message_delta":
            self._complete = self._report(event.usage) or self._complete
        elif event.type in ("message_stop", "error"):
            self.ended = True
            self.failed = self.failed or event.type == "error"
            self._end()

    def _report(self, raw: msgspec.Raw) -> bool:
        if is_absent(raw):
            return False
        self._reported = self._reported.followed_by(_USAGE.decode(raw))
        self.usage = from_messages(self._reported)
        return True

    def _end(self) -> None:
        if not self._complete:
            self.usage = None
