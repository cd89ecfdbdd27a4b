"""What is asked of integrations, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aexl_plane.records import Connection


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An integration of the server that a tenant may connect projects to."""

    name: str
    provider: str
    version: str
    actions: Sequence[str]


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """An integration of the server, as its owner sees it; ``problem`` says why it cannot be used."""

    name: str
    provider: str
    version: str
    tenants: Sequence[str]
    actions: Sequence[str]
    credential: str
    problem: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a connection, before anything has happened."""

    id: str
    connection: Connection
    action: str
    by: str
    key: str | None = None
    params: Mapping[str, Any] = {}


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A call that went well.

    Attributes:
        result: As JSON.
        execution: The governed call that it cost, if it did; ``cost`` in nano-dollars.
    """

    call: str
    result: Any
    execution: str | None
    cost: int | None
    milliseconds: int
