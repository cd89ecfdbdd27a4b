"""What gc means to remove, written down before it is removed, so that a push can object.

A pack that nothing refers to is *marked* with the time when that was first seen,
and removed by a gc after the grace period. Before it is removed it is *doomed*:
both are steps of one record that is only ever swapped, so that a push which finds
a pack in its place either takes the mark away, or learns that it is too late.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from aexl.api import BlobStore, ObjectId
from aexl.errors import HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots.loops import pause
from aexl_snapshots.objects.ids import object_id

NAME: Final = "gc/marks"
_ATTEMPTS: Final = 20


class Marks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Packs that nothing refers to.

    Attributes:
        marked: When each was first seen so, in milliseconds since 1970.
        doomed: Those that are being removed at this moment.
        nonce: Makes every version of the record another one.
    """

    marked: Mapping[str, int] = {}
    doomed: tuple[str, ...] = ()
    nonce: int = 0

    def encode(self) -> bytes:
        """Return a line of canonical JSON, and a line with its SHA-256."""
        line = msgspec.json.encode(self, order="sorted")
        return line + b"\n" + object_id(line).encode() + b"\n"


async def read_marks(store: BlobStore, where: str) -> tuple[Marks, str | None]:
    """Return the marks and their version; a store without any has none.

    Raises:
        Invalid: If they are damaged.
    """
    try:
        data, version = await store.get_versioned(NAME)
    except NotFound:
        return Marks(), None
    line, _, rest = data.partition(b"\n")
    try:
        if rest != object_id(line).encode() + b"\n":
            raise msgspec.DecodeError("the check sum is wrong")
        return msgspec.json.decode(line, type=Marks), version
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{NAME} at {where} is damaged ({error}); delete it, and the next gc begins anew") from error


async def change_marks(store: BlobStore, where: str, change: Callable[[Marks], Marks]) -> Marks:
    """Swap the marks for what ``change`` makes of them; it may be asked several times.

    Raises:
        Unavailable: If others change them all the time, or the store cannot be reached.
    """
    for attempt in range(_ATTEMPTS):
        marks, version = await read_marks(store, where)
        wanted = change(marks)
        if wanted == marks:
            return marks
        wanted = msgspec.structs.replace(wanted, nonce=marks.nonce + 1)
        try:
            await store.put_if_match(NAME, wanted.encode(), version=version)
            return wanted
        except HeadMoved:
            await pause(0.02 * attempt)
    raise Unavailable(f"{NAME} at {where} changes all the time; try again")


async def keep_packs(store: BlobStore, where: str, packs: Collection[ObjectId]) -> None:
    """Take the marks from packs that a push is about to refer to.

    Raises:
        Unavailable: If one of them is being removed at this moment.
    """
    if not packs:
        return

    def unmark(marks: Marks) -> Marks:
        gone = [id for id in packs if id in marks.doomed]
        if gone:
            raise Unavailable(f"gc is removing pack {gone[0]} from {where} at this moment; push again when it is done")
        kept = {id: since for id, since in marks.marked.items() if id not in packs}
        return msgspec.structs.replace(marks, marked=kept)

    await change_marks(store, where, unmark)
