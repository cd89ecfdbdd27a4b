"""Finding out whether a store holds the conditions of its writes, before anything is trusted to it."""

from __future__ import annotations

import secrets
from typing import Final

from aexl.api import BlobStore
from aexl.errors import HeadMoved, Unavailable
from aexl_snapshots.loops import pause

_ATTEMPTS: Final = 4


async def probe(store: BlobStore, where: str) -> None:
    """Try the two conditional writes on a name of our own; anew, where a request or an answer is lost on the way.

    Args:
        where: The store's URL, for the error.

    Raises:
        Unavailable: If the store does not hold them, or cannot be reached.
    """
    for attempt in range(_ATTEMPTS):
        try:
            refusal = await _try_conditions(store)
        except (HeadMoved, Unavailable):
            if attempt == _ATTEMPTS - 1:
                raise
            await pause(0.1 * 2**attempt)
            continue
        if refusal is not None:
            raise Unavailable(
                f"{where} cannot keep snapshots: it {refusal}, so of two pushes at once one could be lost; "
                "use a server with conditional writes"
            )
        return


async def _try_conditions(store: BlobStore) -> str | None:
    """Return what is wrong with the store, if anything is."""
    name = f"probes/{secrets.token_hex(12)}"
    try:
        if not await store.put_if_absent(name, b"first"):
            return "said that a new name is taken"
        if await store.put_if_absent(name, b"second"):
            return "wrote over a name that exists (it ignores If-None-Match)"
        data, version = await store.get_versioned(name)
        if data != b"first":
            return "returned other bytes than were written"
        later = await store.put_if_match(name, b"third", version=version)
        for stale in (version, None):
            try:
                await store.put_if_match(name, b"fourth", version=stale)
            except HeadMoved:
                continue
            return "replaced a version that was no longer there (it ignores If-Match)"
        if await store.get_versioned(name) != (b"third", later):
            return "did not return the version that was written last"
        return None
    finally:
        await store.delete(name)
