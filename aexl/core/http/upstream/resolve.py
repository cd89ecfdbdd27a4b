"""Where an origin is: resolved once, judged, and connected to at that very address.

A name whose answers change between the check and the connection (DNS rebinding) gets
nothing out of it, because there is only one answer. Redirects are never followed.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

import httpx
import trio

from aexl.core.http.upstream.addresses import special_use
from aexl.core.http.upstream.failures import failure


class Origin(NamedTuple):
    """Where a request goes: ``http`` or ``https``, a host in lower case without brackets, a port."""

    scheme: str
    host: str
    port: int


class Address(NamedTuple):
    """One numeric address to connect to; ``target`` as the socket module wants it."""

    family: int
    target: tuple[str, int] | tuple[str, int, int, int]


Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Returns the addresses of a host and port, best first; raises ``OSError``."""


async def resolve(host: str, port: int) -> Sequence[Address]:
    """Ask the system's resolver, in a thread; IPv4 and IPv6 take turns at the front."""
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [Address(entry[0], entry[4]) for entry in found]  # type: ignore[arg-type]  # inet families only, for a TCP port
    for index, address in enumerate(addresses):
        if address.family != addresses[0].family:  # RFC 8305: the second attempt is of the other family
            addresses.insert(1, addresses.pop(index))
            break
    return addresses


async def locate(origin: Origin, *, private: bool, resolver: Resolver) -> Sequence[Address]:
    """Return the addresses that may be connected to.

    Args:
        private: Addresses that are not public are allowed, and plain HTTP is.

    Raises:
        httpx.ConnectError: If the host has no address, or one that is not public and not allowed.
        httpx.UnsupportedProtocol: If the scheme is not allowed.
    """
    check_scheme(origin, private=private)
    try:
        addresses = await resolver(origin.host, origin.port)
    except OSError as error:
        raise failure(httpx.ConnectError, f"{origin.host} could not be resolved: {error}", sent=False) from error
    if not addresses:
        raise failure(httpx.ConnectError, f"{origin.host} has no address", sent=False)
    if not private:
        for address in addresses:
            check_address(origin.host, address.target[0])
    return addresses


def check_scheme(origin: Origin, *, private: bool) -> None:
    """Refuse what is not HTTP, and HTTP without TLS where only public servers are allowed."""
    if origin.scheme == "https" or (origin.scheme == "http" and private):
        return
    if origin.scheme == "http":
        message = f"http://{origin.host} would send keys in the clear: use https, or allow private addresses for a server of your own"
    else:
        message = f"{origin.scheme or 'no scheme'} is not supported: use https"
    raise failure(httpx.UnsupportedProtocol, message, sent=False)


def check_address(host: str, address: str) -> None:
    """Refuse an address that is not a public one."""
    use = special_use(address)
    if use is not None:
        named = host if host == address else f"{host} ({address})"
        message = (
            f"{named} is not a public address but {use}: allow private addresses for this provider if that is meant"
        )
        raise failure(httpx.ConnectError, message, sent=False)
