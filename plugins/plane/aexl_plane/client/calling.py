"""Requests of commands to a server: blocking, one connection each, no redirects."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from aexl.errors import AexlError, Conflict, Invalid, NotFound, Unavailable

TIMEOUT: Final = 30.0
"""Seconds for the server to take or give anything."""

LARGEST: Final = 64 * 1024 * 1024 + 65_536
"""Bytes of an answer."""

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class _Problem(msgspec.Struct, frozen=True):
    message: str = ""


class _Failure(msgspec.Struct, frozen=True):
    error: _Problem = _Problem()


def check_url(url: str) -> str:
    """Return a server's base URL without a slash at its end.

    Raises:
        Invalid: If it is none, has a password in it, or would send a token in the clear.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Invalid(f"{url!r} is not the URL of an aexl server: write https://HOST")
    if parts.username or parts.password:
        raise Invalid("a server's URL may not hold a name or password: URLs are shown and kept")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise Invalid(f"{url!r} would send the token in the clear; use https, or http on this machine only")
    return url.rstrip("/")


class Caller:
    """A server, and who asks it.

    Args:
        url: As ``check_url`` returns it.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def json(self, method: str, path: str, body: object = None) -> Any:
        """Ask for something, and return the decoded answer.

        Raises:
            NotFound, Conflict, Invalid: What the server says.
            AexlError: If the token is not good for it.
            Unavailable: If the server cannot be reached, or fails.
        """
        data = self.raw(method, path, None if body is None else msgspec.json.encode(body))
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError as error:
            raise Unavailable(f"{self._url} is no aexl server: its answer is no JSON") from error

    def raw(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Ask for something, and return the answer's bytes; raises as ``json`` does."""
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        headers = {"authorization": f"Bearer {self._token}", "accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            connection.request(method, parts.path + path, body, headers)
            response = connection.getresponse()
            data = response.read(LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._url} could not be reached: {error}") from error
        finally:
            connection.close()
        if len(data) > LARGEST:
            raise Unavailable(f"{self._url} answers with more than {LARGEST} bytes")
        if response.status >= 300:
            raise _error(response.status, data, self._url)
        return data


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def query(values: Mapping[str, str]) -> str:
    """Return a query string, with its question mark."""
    return "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items()) if values else ""


_KINDS: Final[Mapping[int, type[AexlError]]] = {
    400: Invalid,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    422: Invalid,
}


def _error(status: int, data: bytes, url: str) -> AexlError:
    try:
        said = msgspec.json.decode(data, type=_Failure).error.message[:1000]
    except msgspec.DecodeError:
        said = ""
    text = said or f"{url} answered {status}"
    if status in (401, 403):
        return AexlError(f"{url} refuses the token: {text}" if said else text)
    kind = _KINDS.get(status, Unavailable)
    return kind(text)
