"""Statements for PostgreSQL: named parameters become numbered ones, and names are quoted. Pure.

Nothing of a caller's is ever put into a statement but names that are quoted here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from aexl.errors import Invalid

MOST_PARAMETERS: Final = 1000

_SKIPPED: Final = (
    r"'(?:[^']|'')*'"  # a text; in one with E, \' is looked at below
    r'|"(?:[^"]|"")*"'
    r"|--[^\n]*"
    r"|\$(?P<tag>[A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff]*|)\$.*?\$(?P=tag)\$"
)
_ESCAPED: Final = r"(?<![A-Za-z0-9_$\x80-\uffff])[eE]'(?:[^'\\]|''|\\.)*'"
_NAMED: Final = r"(?<![:A-Za-z0-9_]):(?P<colon>[A-Za-z_][A-Za-z0-9_]*)|%\((?P<percent>[A-Za-z_][A-Za-z0-9_]*)\)s"
_TOKEN: Final = re.compile(f"{_ESCAPED}|{_SKIPPED}|(?P<comment>/\\*)|{_NAMED}|::", re.DOTALL)


class Statement(NamedTuple):
    """A statement with ``$1``, ``$2``… and what stands for them, in the text format of PostgreSQL."""

    text: str
    values: Sequence[str | None]


def number_parameters(text: str, params: Mapping[str, Any]) -> Statement:
    """Return a statement whose ``:name`` and ``%(name)s`` are numbered; texts, names and comments are left alone.

    Raises:
        Invalid: If a name has no value, a value is not used, or there are too many.
    """
    names: dict[str, int] = {}
    pieces: list[str] = []
    at = 0
    while (found := _TOKEN.search(text, at)) is not None:
        end = _end_of_comment(text, found.start()) if found["comment"] else found.end()
        name = found["colon"] or found["percent"]
        if name is None:
            pieces.append(text[at:end])
        else:
            if name not in params:
                raise Invalid(f"the statement has the parameter {name!r}, and params has no value for it")
            pieces += text[at : found.start()], f"${names.setdefault(name, len(names) + 1)}"
        at = end
    unused = sorted(set(params) - set(names))
    if unused:
        raise Invalid(f"params has {', '.join(unused)[:200]}, which the statement does not use; write :NAME there")
    if len(names) > MOST_PARAMETERS:
        raise Invalid(f"a statement may have {MOST_PARAMETERS} parameters, not {len(names)}")
    return Statement("".join(pieces) + text[at:], [write_value(params[name]) for name in names])


def _end_of_comment(text: str, start: int) -> int:
    """Return where a comment ends; comments nest."""
    depth, at = 0, start
    while at < len(text):
        if text.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif text.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if depth == 0:
                return at
        else:
            at += 1
    return at


def write_value(value: Any) -> str | None:
    """Return a value of JSON as PostgreSQL reads it where it knows the type; lists and objects are JSON.

    Raises:
        Invalid: If it has a NUL, which no text of PostgreSQL can hold.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if "\x00" in text:
        raise Invalid("a value must not have a NUL character")
    return text


def quote_name(name: str) -> str:
    """Return a name as an identifier.

    Raises:
        Invalid: If it is none.
    """
    if not 1 <= len(name.encode()) <= 63 or "\x00" in name:
        raise Invalid(f"{name[:80]!r} is not the name of a table or column: 1 to 63 bytes")
    return '"' + name.replace('"', '""') + '"'


def quote_table(name: str) -> str:
    """Return the name of a table, perhaps with its schema's before a dot."""
    return ".".join(quote_name(part) for part in name.split(".", 1))
