"""Which proxy, if any, the environment asks for.

The variables are read as curl and Go read them: the lower-case form first; names in
``NO_PROXY`` match themselves and what ends in them; this machine is never proxied.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from aexl.core.http.upstream.addresses import is_loopback


def proxy_for(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for an origin, or ``None`` to go directly.

    Args:
        host: In lower case, an IPv6 address without brackets.
    """
    if is_loopback(host):
        return None
    proxy = _variable(environ, f"{scheme}_proxy") or _variable(environ, "all_proxy")
    if proxy is None or _is_exempt(host, port, _variable(environ, "no_proxy") or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name) or environ.get(name.upper()) or None


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    entries = no_proxy.lower().replace(",", " ").split()
    return any(entry == "*" or _matches(entry, host, port) for entry in entries)


def _matches(entry: str, host: str, port: int) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # one of them is a name
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal():
        if int(number) != port:
            return False
        entry = name.strip("[]")
    entry = entry.removeprefix("*").removeprefix(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
