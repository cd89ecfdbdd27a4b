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
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise Invalid(f"{url!r} is not the URL of an aexl server: {error}") from error
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

    Raises:
        Invalid: If the token cannot be one; it is not shown.
    """

    def __init__(self, url: str, token: str) -> None:
        if not _can_be_sent(token):
            raise Invalid("the token has characters in it that no token has; copy it again, and nothing beside it")
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
            NotFound, Conflict, Invalid: What the server says; ``Invalid`` also if it cannot be asked so.
            AexlError: If the token is not good for it.
            Unavailable: If the server cannot be reached, or fails.
        """
        try:
            encoded = None if body is None else msgspec.json.encode(body)
        except UnicodeEncodeError as error:
            raise Invalid("what is to be sent has something in it that is not UTF-8") from error
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
        if strange := [name for name, value in headers.items() if not _can_be_sent(value)]:
            raise Invalid(f"{', '.join(strange)} may have printable ASCII characters only")
        sent = {"authorization": f"Bearer {self._token}", **headers}
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            try:
                connection.request(method, parts.path + path, body, sent)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise Unavailable(f"{self._url} could not be reached: {error}") from error
            except ValueError as error:  # the URL has something in its path that it cannot have
                raise Invalid(f"{self._url} cannot be asked so") from error
            if response.status >= 300:
                raise _error(response.status, self._read(response), self._url)
            yield response
        finally:
            connection.close()


def _can_be_sent(text: str) -> bool:
    return text.isascii() and text.isprintable()


def segment(text: str) -> str:
    """Return a name as one segment of a path.

    Raises:
        Invalid: If it is empty, which names nothing, or not UTF-8.
    """
    if not text:
        raise Invalid("an empty name names nothing; is a variable not set?")
    return _quote(text)


def query(values: Mapping[str, str]) -> str:
    """Return a query string, with its question mark.

    Raises:
        Invalid: If a value is not UTF-8.
    """
    return "?" + "&".join(f"{name}={_quote(value)}" for name, value in values.items()) if values else ""


def _quote(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise Invalid(f"{text!r} is not UTF-8") from error


_KINDS: Final[Mapping[int, type[AexlError]]] = {
    400: Invalid,
    404: NotFound,
    405: Invalid,
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
    if status == 405:
        text = f"{url} does not do this with what is named; is it another version of aexl? It says: {text}"
    kind = _KINDS.get(status, Unavailable)
    return kind(text)
