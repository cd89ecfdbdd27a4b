"""Names of objects: the SHA-256 of their raw bytes. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from aexl.api import ObjectId
from aexl.errors import Invalid

_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

EMPTY: Final = ObjectId(hashlib.sha256(b"").hexdigest())
"""The id of no bytes at all."""


def object_id(data: bytes | bytearray | memoryview) -> ObjectId:
    """Return the id of these bytes."""
    return ObjectId(hashlib.sha256(data).hexdigest())


def is_id(text: str) -> bool:
    """Say whether a text is an id: 64 lower-case hexadecimal digits."""
    return _ID.fullmatch(text) is not None


def parse_id(text: str, what: str = "object") -> ObjectId:
    """Return a text as an id.

    Args:
        what: What it is the id of, for the error.

    Raises:
        Invalid: If it is none.
    """
    if not is_id(text):
        raise Invalid(f"{text[:80]!r} is not the id of a {what}: 64 lower-case hexadecimal digits")
    return ObjectId(text)


def id_bytes(id: ObjectId) -> bytes:
    """Return the 32 bytes that an id stands for."""
    return bytes.fromhex(id)
