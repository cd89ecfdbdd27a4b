"""What differs between two values of JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

MOST: Final = 1000
"""Differences that are told."""

_DEPTH: Final = 64
"""Levels that are looked into; what is deeper is compared as a whole."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    Attributes:
        path: Where, as a JSON Pointer (RFC 6901); empty for the whole.
        old: What was there; left out where nothing was.
        new: What is there now; left out where nothing is.
    """

    path: str
    old: Any | UnsetType = UNSET
    new: Any | UnsetType = UNSET


def compare(old: object, new: object) -> tuple[list[Change], bool]:
    """Return what differs, and whether there is more than is told.

    Objects are compared key by key, arrays place by place. ``1``, ``1.0`` and ``true`` are three values.
    """
    found: list[Change] = []
    for change in _walk("", old, new, 0):
        if len(found) == MOST:
            return found, True
        found.append(change)
    return found, False


def _walk(path: str, old: Any, new: Any, depth: int) -> Iterator[Change]:
    if depth == _DEPTH or type(old) is not type(new) or not isinstance(old, dict | list):
        if _text(old) != _text(new):
            yield Change(path=path, old=old, new=new)
    elif isinstance(old, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _pair(f"{path}/{_escape(key)}", old.get(key, UNSET), new.get(key, UNSET), depth)
    else:
        for at in range(max(len(old), len(new))):
            there, now = (each[at] if at < len(each) else UNSET for each in (old, new))
            yield from _pair(f"{path}/{at}", there, now, depth)


def _pair(path: str, old: Any, new: Any, depth: int) -> Iterator[Change]:
    if old is UNSET or new is UNSET:
        yield Change(path=path, old=old, new=new)
    else:
        yield from _walk(path, old, new, depth + 1)


def _text(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
