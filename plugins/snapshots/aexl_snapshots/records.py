"""What a head, tag or pin of a store says: which snapshot, and the packs that hold it. Pure.

A record is one line of canonical JSON and a line with that line's SHA-256, so
that a damaged one is noticed. Each is unique by its ``push``, so that a version
is never taken for an earlier one with the same snapshot.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.objects.ids import object_id, parse_id

FORMAT: Final = "aexl-head 1"
MAX_BYTES: Final = 16 * 1024 * 1024
MOST_PACKS: Final = 65_536
REMEMBERED: Final = 64
"""Pushes that a record remembers, so that one whose answer was lost can be recognised."""

DEFAULT_HEAD: Final = "main"
KINDS: Final = ("heads", "tags", "pins")
"""What keeps a snapshot from being collected, in every store."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a head points.

    Attributes:
        packs: Ids and bytes of the packs that together hold all that is reachable, sorted.
        push: Names the push that wrote it; random.
        time: Milliseconds since 1970, UTC, by the writer's clock.
        past: The latest pushes and what they set, newest first, this one included.
    """

    snapshot: ObjectId
    packs: tuple[tuple[ObjectId, int], ...]
    push: str
    time: int
    past: tuple[tuple[str, ObjectId], ...] = ()
    format: str = FORMAT

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        line = msgspec.json.encode(self, order="sorted")
        return line + b"\n" + object_id(line).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, what: str) -> Record:
        """Read the canonical bytes, and nothing else.

        Args:
            what: Whose they are, for the error.

        Raises:
            Invalid: If they are not.
        """
        line, _, rest = data.partition(b"\n")
        if len(data) > MAX_BYTES or rest != object_id(line).encode() + b"\n":
            raise Invalid(f"{what} is damaged: its check sum is wrong")
        try:
            record = msgspec.json.decode(line, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"{what} is not a head's record: {error}") from error
        if record.format != FORMAT:
            raise Invalid(f"{what} has the format {record.format[:80]!r}; this version of aexl reads {FORMAT!r}")
        parse_id(record.snapshot, "snapshot")
        for id, _ in record.packs:
            parse_id(id, "pack")
        if len(record.packs) > MOST_PACKS or list(record.packs) != sorted(set(record.packs)) or record.encode() != data:
            raise Invalid(f"{what} is not in its canonical form")
        return record

    def holds_push(self, push: str) -> bool:
        """Say whether a push landed, here or in what came later."""
        return any(each == push for each, _ in self.past)


class Swap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A move of a head or tag that is about to be tried.

    Attributes:
        push: Names the push, as the record will have it.
        name: What is moved: ``heads/main``, ``tags/v1``.
        before: Where it points; ``None`` if it is new.
        replaces: The push that wrote the record that is replaced; empty if there is none.
        bytes: Of packs that went over.
        time: Milliseconds since 1970.
    """

    push: str
    name: str
    before: ObjectId | None
    after: ObjectId
    replaces: str
    bytes: int
    time: int


def next_record(
    before: Record | None, snapshot: ObjectId, packs: tuple[tuple[ObjectId, int], ...], push: str, time: int
) -> Record:
    """Return what a head says after a push."""
    past = ((push, snapshot), *(before.past if before else ()))[:REMEMBERED]
    return Record(snapshot=snapshot, packs=tuple(sorted(set(packs))), push=push, time=time, past=past)


def is_ref_name(name: str) -> bool:
    """Say whether this can name a head, tag, pin or remote."""
    return _NAME.fullmatch(name) is not None and re.fullmatch(r"[0-9a-f]{8,64}", name) is None


def check_ref_name(name: str) -> str:
    """Return a head's, tag's, pin's or remote's name.

    Raises:
        Invalid: If it cannot be one.
    """
    if not is_ref_name(name):
        raise Invalid(
            f"{name!r} cannot name a head, tag or remote: use up to 100 letters, digits, '.', '_' and '-', "
            "not '.' or '-' first, and not something that looks like an id"
        )
    return name


def ref_name(kind: str, name: str) -> str:
    """Return the name of a record in a store."""
    return f"{kind}/{check_ref_name(name)}"
