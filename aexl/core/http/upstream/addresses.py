"""Which addresses are somewhere on the public internet, and which lead back inside.

The registries of special-purpose addresses (IANA; RFC 6890 and what followed) are
written out here, because what the standard library calls private differs between
releases of Python. IPv6 is public where it is global unicast and in none of these;
forms that carry an IPv4 address (mapped, NAT64, 6to4, Teredo) are refused as a
whole, for what they lead to is decided by somebody else's gateway.
"""

from __future__ import annotations

import ipaddress
from typing import Final

_SPECIAL_V4: Final = tuple(
    (ipaddress.IPv4Network(network), name)
    for network, name in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved (AS112)"),
        ("192.52.193.0/24", "reserved (AMT)"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved (AS112)"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
    )
)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL_V6: Final = tuple(
    (ipaddress.IPv6Network(network), name)
    for network, name in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2001::/23", "reserved for protocols (Teredo, ORCHID)"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "reserved (AS112)"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)


def special_use(address: str) -> str | None:
    """Say what a numeric address is reserved for; ``None`` if it is a public one.

    Args:
        address: IPv4, or IPv6 with or without a zone.

    Raises:
        ValueError: If it is not an address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return next((name for network, name in _SPECIAL_V4 if parsed in network), None)
    if parsed.scope_id is not None:
        return "link-local"
    found = next((name for network, name in _SPECIAL_V6 if parsed in network), None)
    return found if found is not None or parsed in _GLOBAL_V6 else "reserved"


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine by its very name or number; nothing is resolved."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
