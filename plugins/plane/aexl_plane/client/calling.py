"""Requests of commands to a server: blocking, one connection each, no redirects."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from aexl.errors import AexlError, Conflict, Invalid, NotFound, Unavailable

TIMEOUT: Final = 30.0
"""Seconds for the server to take or give anything."""

LARGEST: Final = 64 * 1024 * 1024 + 65_536
"""Bytes of an answer."""

_LINE: Final = 1024 * 1024
"""Bytes of a line of a stream; a longer one comes in pieces."""

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class _Problem(msgspec.Struct, frozen=True):
    message: str = ""
    code: str = ""


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

    def json(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        timeout: float = TIMEOUT,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask for something, and return the decoded answer.

        Args:
            timeout: Seconds for the server to take or give anything.
            headers: Beside those that every request has.

        Raises:
            NotFound, Conflict, Invalid: What the server says.
            AexlError: If the token is not good for it.
            Unavailable: If the server cannot be reached, or fails.
        """
        encoded = None if body is None else msgspec.json.encode(body)
        data = self.raw(method, path, encoded, timeout=timeout, headers=headers)
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError as error:
            raise Unavailable(f"{self._url} is no aexl server: its answer is no JSON") from error

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float = TIMEOUT,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Ask for something, and return the answer's bytes; raises as ``json`` does."""
        with self._asked(method, path, body, timeout, {"accept": "application/json", **(headers or {})}) as response:
            return self._read(response)

    @contextmanager
    def lines(self, path: str, timeout: float = TIMEOUT) -> Iterator[Iterator[str]]:
        """Ask for a stream of events, and give its lines as they come; raises as ``json`` does.

        The lines end where the stream does, also where it breaks off: whoever reads them knows the last one.

        Args:
            timeout: Seconds without a line, after which the server counts as gone.
        """
        with self._asked("GET", path, None, timeout, {"accept": "text/event-stream"}) as response:
            yield (line.decode("utf-8", "replace").rstrip("\r\n") for line in self._pieces(response))

    def _pieces(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while line := response.readline(_LINE):
                yield line
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._url} broke off: {error}") from error

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            data = response.read(LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._url} broke off: {error}") from error
        if len(data) > LARGEST:
            raise Unavailable(f"{self._url} answers with more than {LARGEST} bytes")
        return data

    @contextmanager
    def _asked(
        self, method: str, path: str, body: bytes | None, timeout: float, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        sent = {"authorization": f"Bearer {self._token}", **headers}
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            try:
                connection.request(method, parts.path + path, body, sent)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise Unavailable(f"{self._url} could not be reached: {error}") from error
            if response.status >= 300:
                raise _error(response.status, self._read(response), self._url)
            yield response
        finally:
            connection.close()


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
        problem = msgspec.json.decode(data, type=_Failure).error
    except msgspec.DecodeError:
        problem = _Problem()
    said = problem.message[:1000]
    text = said or f"{url} answered {status}"
    if status in (401, 403):
        of_token = said and (status == 401 or problem.code == "scope_missing")
        return AexlError(f"{url} refuses the token: {text}" if of_token else text)
    kind = _KINDS.get(status, Unavailable)
    return kind(text)
