"""Verdicts that ended a stream half way, kept for the client that asks again at once.

An agent CLI whose stream ends with an error sends the same conversation again
without streaming. It gets the same verdict, and not a second call.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from aexl.api import Call, Surface
from aexl.errors import WORTH_RETRYING, Refused

MOST_VERDICTS: Final = 1000
SECONDS: Final = 60.0

# Clients lower limits and drop options when they ask again; what they say stays the same.
_CONTENT: Final[Mapping[Surface, Sequence[str]]] = {
    "chat": ("model", "messages"),
    "responses": ("model", "instructions", "input", "previous_response_id"),
    "messages": ("model", "system", "messages"),
    "gemini": ("systemInstruction", "system_instruction", "contents"),
}


class Verdicts:
    """A bounded memory: the oldest of ``MOST_VERDICTS`` is forgotten first, each after ``SECONDS``.

    Times are on trio's clock; they are given by the caller.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[float, Refused]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def remember(self, call: Call, verdict: Refused, now: float) -> None:
        """Keep a verdict that ended the stream of ``call``, unless asking again can mend it."""
        key = _content_key(call)
        if key is None or verdict.status in WORTH_RETRYING:
            return
        self._kept.pop(key, None)
        self._kept[key] = (now + SECONDS, verdict)
        if len(self._kept) > MOST_VERDICTS:
            self._kept.popitem(last=False)

    def recall(self, call: Call, now: float) -> Refused | None:
        """Return the verdict on a call that asks again without streaming, if there is one."""
        if not self._kept:
            return None
        self._forget(now)
        if call.stream:
            return None
        key = _content_key(call)
        kept = None if key is None else self._kept.get(key)
        return None if kept is None else _repeated(kept[1], call.surface)

    def _forget(self, now: float) -> None:
        while self._kept:
            key = next(iter(self._kept))
            if self._kept[key][0] > now:
                return
            del self._kept[key]


def _content_key(call: Call) -> bytes | None:
    fields = _CONTENT.get(call.surface)
    if fields is None:
        return None
    digest = hashlib.sha256(f"{call.principal.agent}\0{call.surface}\0{call.model}".encode())
    for field in fields:
        value = call.body.raw(field)
        digest.update(b"\0-" if value is None else b"\0%d:%b" % (len(value), value))
    return digest.digest()


def _repeated(verdict: Refused, surface: Surface) -> Refused:
    """Return the verdict with a status at which the surface's client stops asking."""
    status = 403 if surface == "messages" and verdict.status != 402 else verdict.status
    repeated = verdict.copy(status=status)
    repeated.execution, repeated.receipt = verdict.execution, verdict.receipt
    repeated.cost, repeated.remaining = verdict.cost, verdict.remaining
    return repeated
