"""Times as the dialects' headers write them."""

from __future__ import annotations

import time


def go_duration(seconds: float) -> str:
    """Return a duration as Go prints one, in whole milliseconds, rounded up: ``0s``, ``12ms``, ``1m2.5s``."""
    millis = -int(-seconds * 1000 // 1) if seconds > 0 else 0
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    minutes, millis = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, part = divmod(millis, 1000)
    text = f"{whole}.{part:03d}".rstrip("0") + "s" if part else f"{whole}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def rfc3339(unix: float) -> str:
    """Return a Unix time in whole seconds, rounded up, as RFC 3339 writes it in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(-int(-unix // 1)))
