"""Events of other plugins, recorded and not interpreted. Pure."""

# ruff: noqa: ARG002 - operations have one signature, whatever they need of it

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from aexl.api.money import MAX_AMOUNT
from aexl.api.records import Receipt
from aexl.errors import Invalid
from aexl_ledger.operations import Draft, Operation, check_text
from aexl_ledger.state import State

KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}(?:\.[a-z][a-z0-9_-]{0,31}){1,3}", re.ASCII)
OWN: Final = ("agent.", "token.", "execution.", "ledger.")
LARGEST: Final = 16 * 1024
"""Bytes of names and values in one event."""


class Append(Operation[Receipt]):
    """Append an event of another plugin; its kind is ``<plugin>.<what happened>``."""

    __slots__ = ("data", "kind", "subject")

    def __init__(self, kind: str, subject: str, data: Mapping[str, str | int]) -> None:
        self.kind = kind
        self.subject = subject
        self.data = data

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        if KIND.fullmatch(self.kind) is None or self.kind.startswith(OWN):
            raise Invalid(f"an event's kind is its plugin's name, a dot and what happened, not {self.kind!r}")
        check_text(self.subject, "an event's subject", 200)
        size = 0
        for key, value in self.data.items():
            check_text(key, "a name in an event", 64)
            size += len(key) + _size(key, value)
        if size > LARGEST:
            raise Invalid(f"an event may have {LARGEST} bytes of data, not {size}")
        return ((self.kind, self.subject, dict(self.data)),)

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Receipt:
        return receipts[0]


def _size(key: str, value: object) -> int:
    if type(value) is int and -MAX_AMOUNT <= value <= MAX_AMOUNT:
        return 16
    if isinstance(value, str):
        try:
            return len(value.encode())
        except UnicodeEncodeError as error:
            raise Invalid(f"{key!r} of an event is not valid text") from error
    raise Invalid(f"{key!r} of an event must be text or a whole number of at most 2^53, not {value!r}")
