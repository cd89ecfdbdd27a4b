"""Fetching a wheel from an address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urldefrag, urlsplit, urlunsplit

from aexl import __version__
from aexl.core.plugins.archive import MAX_WHEEL_BYTES
from aexl.errors import Invalid, Unavailable

if TYPE_CHECKING:
    import httpx

REDIRECTS: Final = 5
TIMEOUT_SECONDS: Final = 30.0
"""For connecting, and between two pieces of the answer."""

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")

Progress = Callable[[int, int | None], None]
"""Hears how many bytes there are, and of how many, if the server says so."""


def is_address(text: str) -> bool:
    """Return whether an argument is an address and no file or name."""
    return "://" in text


def shown_address(url: str) -> str:
    """Return an address without what may be secret in it: user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def address_digest(url: str) -> str | None:
    """Return the hash that an address carries behind ``#sha256=``, if any."""
    for value in parse_qs(urldefrag(url).fragment).get("sha256", ()):
        return value
    return None


def check_digest(text: str) -> str:
    """Return a SHA-256 in lower case.

    Raises:
        Invalid: If it is none.
    """
    if not _SHA256.fullmatch(text):
        raise Invalid(f"{text!r} is no SHA-256: it has 64 hexadecimal digits")
    return text.lower()


def download(url: str, folder: Path, progress: Progress) -> Path:
    """Fetch a wheel into a folder and return its path. Waits.

    Raises:
        Invalid: If the address is not https (or http to loopback), does not end in a wheel's name, or the file is
            larger than a wheel may be.
        Unavailable: If it cannot be had.
    """
    import httpx

    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if not name.endswith(".whl") or "/" in name:
        raise Invalid(f"{shown_address(url)} does not end in the name of a wheel")
    path = folder / name
    headers = {"user-agent": f"aexl/{__version__}", "accept-encoding": "identity"}
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers) as client:
            _fetch(client, url, path, progress)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{shown_address(url)} cannot be fetched: {type(error).__name__} {error}") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error}") from error
    return path


def _fetch(client: httpx.Client, url: str, path: Path, progress: Progress) -> None:
    import httpx

    for _ in range(REDIRECTS + 1):
        _check_scheme(url)
        with client.stream("GET", url) as answer:
            if answer.next_request is not None:
                url = str(answer.next_request.url)
                continue
            if answer.status_code != httpx.codes.OK:
                raise Unavailable(f"{shown_address(url)} answered with status {answer.status_code}")
            _write(answer, path, progress)
            return
    raise Unavailable(f"{shown_address(url)} was reached by more than {REDIRECTS} redirections")


def _write(answer: httpx.Response, path: Path, progress: Progress) -> None:
    length = answer.headers.get("content-length", "")
    total = int(length) if length.isdigit() else None
    count = 0
    with path.open("wb") as file:
        for piece in answer.iter_raw():
            count += len(piece)
            if max(count, total or 0) > MAX_WHEEL_BYTES:
                raise Invalid(f"{path.name} has more than {MAX_WHEEL_BYTES} bytes, which is the limit")
            file.write(piece)
            progress(count, total)


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return
    raise Invalid(f"{shown_address(url)}: only https is used, and http to this machine itself")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
