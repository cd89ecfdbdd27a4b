"""Finding out whether a store holds the conditions of its writes, before anything is trusted to it."""

from __future__ import annotations

import secrets

from aexl.api import BlobStore
from aexl.errors import HeadMoved, Unavailable


async def probe(store: BlobStore, where: str) -> None:
    """Try the two conditional writes on a name of our own.

    Args:
        where: The store's URL, for the error.

    Raises:
        Unavailable: If the store does not hold them, or cannot be reached.
    """
    name = f"probes/{secrets.token_hex(12)}"
    try:
        if not await store.put_if_absent(name, b"first"):
            raise _refusal(where, "said that a new name is taken")
        if await store.put_if_absent(name, b"second"):
            raise _refusal(where, "wrote over a name that exists (it ignores If-None-Match)")
        data, version = await store.get_versioned(name)
        if data != b"first":
            raise _refusal(where, "returned other bytes than were written")
        later = await store.put_if_match(name, b"third", version=version)
        for stale in (version, None):
            try:
                await store.put_if_match(name, b"fourth", version=stale)
            except HeadMoved:
                continue
            raise _refusal(where, "replaced a version that was no longer there (it ignores If-Match)")
        if await store.get_versioned(name) != (b"third", later):
            raise _refusal(where, "did not return the version that was written last")
    finally:
        await store.delete(name)


def _refusal(where: str, what: str) -> Unavailable:
    return Unavailable(
        f"{where} cannot keep snapshots: it {what}, so of two pushes at once one could be lost; "
        "use a server with conditional writes"
    )
