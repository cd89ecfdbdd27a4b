"""From a command to a remote's store: with a host only where the store needs one, with a loop only where it pays."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import typer

from aexl.api import BlobStore, Host, OffersStores, Session
from aexl.errors import NotFound
from aexl_snapshots.loops import run_without_loop
from aexl_snapshots.packs import FOLDER as PACKS
from aexl_snapshots.repository import Repository

T = TypeVar("T")

_WITHOUT_HOST: Final = frozenset({"file", "s3", "gs", "az"})
DEFAULT_REMOTE: Final = "origin"

_LIGHT: Final = 256 * 1024 * 1024
"""Bytes of packs; to read more takes so long that several threads are worth a loop, which takes 0.1 s to import."""

# Any: Typer's options stand in for values of another type.
REMOTE: Final[Any] = typer.Argument(None, help="The remote: origin, or the only one, by default.", metavar="[REMOTE]")


def reach(session: Session, url: str, work: Callable[[BlobStore], Awaitable[T]], *, here: Path | None = None) -> T:
    """Open the store of a URL, and run ``work`` with it.

    Args:
        here: The store of a repository that takes part.

    Raises:
        Invalid: If nobody keeps snapshots at such a URL.
        Unavailable: If it cannot be reached.
    """
    from aexl_snapshots.stores.opening import open_store, own_openers

    async def with_host(host: Host) -> T:
        offered = host.stores() if isinstance(host, OffersStores) else {}
        return await work(await open_store({**own_openers(host), **offered}, url))

    async def alone() -> T:
        openers = own_openers(cast("Host", None))  # which these schemes do not ask for anything
        return await work(await open_store({name: openers[name] for name in _WITHOUT_HOST}, url))

    scheme = urlsplit(url).scheme
    if scheme not in _WITHOUT_HOST:
        return session.run(with_host)
    if scheme == "file" and here is not None:
        from aexl_snapshots.stores.folder import folder_of

        return run_alone(alone, here, folder_of(url))
    return run_alone(alone)


def run_alone(work: Callable[[], Awaitable[T]], *stores: Path) -> T:
    """Run in a loop of its own; of an error that several tasks wrap, raise the error itself.

    Args:
        stores: Where these folders are all that is worked on, and small, it is done without a loop, and sooner.
    """

    async def main() -> T:
        return await work()

    if stores and sum(_weigh(store) for store in stores) < _LIGHT:
        return run_without_loop(main)
    import trio

    try:
        return trio.run(main)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


def _weigh(store: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(store / PACKS))
    except OSError:  # the work itself says what is wrong
        return 0


def choose_remote(repository: Repository, name: str | None) -> tuple[str, str]:
    """Return a remote's name and URL: the one that was named, else ``origin``, else the only one.

    Raises:
        NotFound: If it is not known.
    """
    remotes = repository.remotes()
    if name is None:
        name = next(iter(remotes)) if len(remotes) == 1 else DEFAULT_REMOTE
    if name not in remotes:
        hint = "'aexl snapshot remote list' shows them" if remotes else "'aexl snapshot remote add origin URL' adds one"
        raise NotFound(f"there is no remote {name}; {hint}")
    return name, remotes[name]
