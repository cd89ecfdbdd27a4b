"""What httpx raises becomes ``ProviderFailed``, here and nowhere else."""

from __future__ import annotations

from typing import Final

import httpx

from aexl.errors import ProviderFailed

_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def provider_failure(name: str, error: Exception, *, answered: bool = False) -> ProviderFailed:
    """Return what to raise for an error of the transport.

    Args:
        name: The provider's name.
        error: What was raised; a transport says with ``sent = False`` that the request never left.
        answered: The answer's head has come, so the request certainly left.
    """
    unsent = not answered and (isinstance(error, _UNSENT) or not getattr(error, "sent", True))
    code, status, what = _describe(error)
    detail = f": {error}" if str(error) else ""
    return ProviderFailed(
        f"the provider {name!r} {what}{detail}", code=code, status=status, charged="no" if unsent else "unknown"
    )


def _describe(error: Exception) -> tuple[str, int, str]:
    if isinstance(error, httpx.TimeoutException):
        return "upstream_timeout", 504, "did not answer in time"
    if isinstance(error, httpx.ConnectError | httpx.UnsupportedProtocol | httpx.ProxyError):
        return "upstream_unreachable", 502, "could not be reached"
    if isinstance(error, httpx.NetworkError):
        return "upstream_reset", 502, "closed the connection"
    return "upstream_protocol", 502, "broke the protocol"
