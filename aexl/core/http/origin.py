"""Whose pages may talk to this server: the ``Host`` allow-list and the ``Origin`` rule. Pure.

A server on loopback is reachable from every web page that a user opens. A page
can send simple requests to it (``Origin`` shows them), or make its own name
point at 127.0.0.1 (``Host`` shows that). There is no CORS: a refused page gets no
header that would let it read anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aexl.core.http.refusal import Refusal

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


class OriginRule:
    """Exact lists of the hosts and origins that are let in.

    The loopback names are always allowed, with a bound port and without. A
    configured host is allowed as it is written and, where it has no port, with
    each bound port too. An allowed host's own pages are allowed to call it.

    Args:
        ports: The TCP ports that the server is bound to.
        hosts: More names by which clients reach it, each ``name`` or ``name:port``.
        origins: More origins that may call it, each ``scheme://name[:port]``.
    """

    __slots__ = ("_hosts", "_origins")

    def __init__(self, *, ports: Sequence[int], hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        configured = [host.lower() for host in hosts]
        self._hosts = frozenset(
            name.encode()
            for host in (*LOOPBACK_NAMES, *configured)
            for name in ([host] if _has_port(host) else [host, *(f"{host}:{port}" for port in ports)])
        )
        own = {f"http://{name}{_port_suffix(port)}" for name in LOOPBACK_NAMES for port in ports}
        for host in configured:
            own |= {f"http://{host}", f"https://{host}"}
            own |= set() if _has_port(host) else {f"http://{host}{_port_suffix(port)}" for port in ports}
        # "null" is what sandboxed frames and local files send; it names nobody, so it cannot be allowed.
        self._origins = frozenset(origin.encode() for origin in (*own, *(o.lower().rstrip("/") for o in origins))) - {
            b"null"
        }

    def check(self, host: bytes, origin: bytes | None) -> Refusal | None:
        """Return why a request is refused, or ``None`` when it is let in."""
        if host not in self._hosts and host.lower() not in self._hosts:
            name = host.decode("latin-1")
            return Refusal(403, "host_not_allowed", f"this server is not known by the name {name!r}")
        if origin is not None and origin.lower() not in self._origins:
            name = origin.decode("latin-1")
            return Refusal(403, "origin_not_allowed", f"pages of the origin {name!r} may not call this server")
        return None


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _port_suffix(port: int) -> str:
    return "" if port == 80 else f":{port}"
