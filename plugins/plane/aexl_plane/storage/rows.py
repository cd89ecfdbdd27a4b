"""Reading rows of the database as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import apsw
import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)
Values = Sequence[str | int | float | None]

_JSON: Final = frozenset({"scopes", "allowed", "granted", "metadata", "runtimes", "described"})
"""Columns that are kept as JSON."""

_FLAGS: Final = frozenset({"approval"})
"""Columns that are 0 or 1."""


def fetch(connection: apsw.Connection, record: type[Record], query: str, values: Values = ()) -> list[Record]:
    """Return the rows of a query whose columns are the record's fields, in order."""
    names = record.__struct_fields__
    rows = connection.execute(query, tuple(values))
    return [msgspec.convert(dict(zip(names, map(_value, names, row), strict=True)), record) for row in rows]


def fetch_one(connection: apsw.Connection, record: type[Record], query: str, values: Values = ()) -> Record | None:
    """Return the first row, if there is one."""
    found = fetch(connection, record, query, values)
    return found[0] if found else None


def number(connection: apsw.Connection, query: str, values: Values) -> int:
    """Return the one number of a query that always has one: a count, a maximum."""
    [(found,)] = connection.execute(query, tuple(values))
    return int(found)


def columns(record: type[msgspec.Struct], table: str = "") -> str:
    """Return the columns of a record, for a query."""
    prefix = f"{table}." if table else ""
    return ", ".join(f"{prefix}{name}" for name in record.__struct_fields__)


def pack(words: Sequence[str] | frozenset[str]) -> str:
    """Return words as a column keeps them."""
    return msgspec.json.encode(sorted(words)).decode()


def _value(name: str, value: object) -> object:
    if name in _FLAGS:
        return bool(value)
    return msgspec.json.decode(value) if name in _JSON and isinstance(value, str) else value
