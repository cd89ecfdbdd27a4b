"""Responses: where they say what was consumed, and by which id the provider knows them."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.sse import Frame
from aexl_providers.streams import StreamReader, is_absent
from aexl_providers.usage import OutputItem, ResponsesUsage, count_tools, from_responses

_TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Response(msgspec.Struct):
    """A response, as far as it is read."""

    id: object = None
    status: object = None
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: object = None
    output: list[OutputItem] | None = None


class _Event(msgspec.Struct):
    type: object = None
    response: Response | None = None


RESPONSE: Final = msgspec.json.Decoder(Response)
_EVENT: Final = msgspec.json.Decoder(_Event)
_USAGE: Final = msgspec.json.Decoder(ResponsesUsage)


def response_usage(response: Response) -> Usage | None:
    """Return what a whole response says was consumed."""
    if is_absent(response.usage):
        return None
    return from_responses(_USAGE.decode(response.usage), response.service_tier, count_tools(response.output))


class ResponsesReader(StreamReader):
    """Responses: named events; one of three terminal ones has the whole response."""

    __slots__ = ()

    def _observe(self, frame: Frame) -> None:
        raw = frame.raw
        if b'"response.completed"' in raw or b'"response.incomplete"' in raw or b'"response.failed"' in raw:
            event = _EVENT.decode(frame.data or b"")
            if event.type in _TERMINAL:
                self.ended = True
                self.failed = event.type == "response.failed"
                if event.response is not None:
                    self._keep_id(event.response)
                    self.usage = response_usage(event.response)
        elif self.upstream_id is None and b'"response.created"' in raw:
            event = _EVENT.decode(frame.data or b"")
            if event.response is not None:
                self._keep_id(event.response)
        elif b'"error"' in raw and _EVENT.decode(frame.data or b"").type == "error":
            self.failed = True

    def _keep_id(self, response: Response) -> None:
        if isinstance(response.id, str):
            self.upstream_id = response.id
