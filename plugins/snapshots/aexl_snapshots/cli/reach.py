"""From a command to a remote's store: in a loop of its own, with a host only where the store needs one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast, runtime_checkable
from urllib.parse import urlsplit

from aexl.api import BlobStore, Host, Session
from aexl.errors import NotFound
from aexl_snapshots.repository import Repository

if TYPE_CHECKING:
    from aexl_snapshots.stores.opening import Opener

T = TypeVar("T")

_WITHOUT_HOST: Final = frozenset({"file", "s3", "gs", "az"})
DEFAULT_REMOTE: Final = "origin"


@runtime_checkable
class _Offers(Protocol):
    """A host of this process, which knows the stores of all plugins."""

    def stores(self) -> Mapping[str, Opener]: ...


def reach(session: Session, url: str, work: Callable[[BlobStore], Awaitable[T]]) -> T:
    """Open the store of a URL, and run ``work`` with it.

    Raises:
        Invalid: If nobody keeps snapshots at such a URL.
        Unavailable: If it cannot be reached.
    """
    from aexl_snapshots.stores.opening import open_store, own_openers

    async def with_host(host: Host) -> T:
        offered = host.stores() if isinstance(host, _Offers) else {}
        return await work(await open_store({**own_openers(host), **offered}, url))

    async def alone() -> T:
        openers = own_openers(cast("Host", None))  # which these schemes do not ask for anything
        return await work(await open_store({name: openers[name] for name in _WITHOUT_HOST}, url))

    if urlsplit(url).scheme not in _WITHOUT_HOST:
        return session.run(with_host)
    return run_alone(alone)


def run_alone(work: Callable[[], Awaitable[T]]) -> T:
    """Run in a loop of its own; of an error that several tasks wrap, raise the error itself."""
    import trio

    async def main() -> T:
        return await work()

    try:
        return trio.run(main)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


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
