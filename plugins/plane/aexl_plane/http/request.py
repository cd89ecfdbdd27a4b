"""A request as handlers see it, and their answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple, Self, TypeVar

import msgspec

from aexl.api import ASGIReceive, Headers
from aexl.api.urls import read_query
from aexl.errors import Invalid, Refused
from aexl_plane.records import Caller, Project, Upload, Workspace

T = TypeVar("T")

JSON_BYTES: Final = 2 * 1024 * 1024
"""Of a JSON body."""


class Reply(NamedTuple):
    """An answer with a complete body."""

    status: int
    body: bytes = b""
    headers: Headers = ()


class Stream(NamedTuple):
    """An answer whose body comes in pieces, as they are made; closed when the client leaves.

    What the iterator raises after the first piece cuts the connection.
    """

    status: int
    pieces: AsyncGenerator[bytes, None]
    headers: Headers = ()


class Gone(Exception):
    """The client left before the end of its request."""


class Body:
    """A request's body in the pieces in which it comes; it may be left unread anywhere.

    Raises:
        Gone: If the client leaves before its end.
    """

    def __init__(self, receive: ASGIReceive) -> None:
        self._receive = receive
        self._more = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._more:
            raise StopAsyncIteration
        message = await self._receive()
        if message["type"] != "http.request":
            raise Gone
        self._more = bool(message.get("more_body", False))
        piece: bytes = message.get("body", b"")
        return piece


class Request:
    """One request, authenticated, with what its path names looked up.

    Attributes:
        parts: What stands in the path in the place of the route's ``{names}``, decoded.
        base: Scheme and host that signed URLs begin with.
        target: Path and query string as they were sent.
    """

    def __init__(
        self,
        method: str,
        parts: Mapping[str, str],
        headers: Mapping[str, str],
        base: str,
        receive: ASGIReceive,
        target: str,
    ) -> None:
        self.method = method
        self.parts = parts
        self.headers = headers
        self.base = base
        self.target = target
        self._receive = receive
        self._caller: Caller | None = None
        self._workspace: Workspace | None = None
        self._project: Project | None = None
        self._upload: Upload | None = None

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The parameters of the query string.

        Raises:
            Invalid: If one is there twice; names it.
        """
        return read_query(self.target.partition("?")[2].encode("latin-1"))

    def belongs(
        self,
        caller: Caller,
        workspace: Workspace | None = None,
        project: Project | None = None,
        upload: Upload | None = None,
    ) -> None:
        """Note who asks, and what the path names; for the application alone."""
        self._caller, self._workspace, self._project, self._upload = caller, workspace, project, upload

    @property
    def caller(self) -> Caller:
        """Who asks."""
        assert self._caller is not None, "the route asks for no token"
        return self._caller

    @property
    def workspace(self) -> Workspace:
        """The workspace in the path, which the caller reaches."""
        assert self._workspace is not None, "the route's path has no {workspace}"
        return self._workspace

    @property
    def project(self) -> Project:
        """The project in the path, which the caller reaches."""
        assert self._project is not None, "the route's path has no {project}"
        return self._project

    @property
    def upload(self) -> Upload:
        """The upload in the path, whose project the caller reaches."""
        assert self._upload is not None, "the route's path has no {upload}"
        return self._upload

    def body(self) -> Body:
        """Return the body, to be read once."""
        return Body(self._receive)

    async def read(self, most: int) -> bytes:
        """Return the whole body.

        Raises:
            Refused: 413 if it is longer than ``most`` bytes.
        """
        held = bytearray()
        async for piece in self.body():
            held += piece
            if len(held) > most:
                raise Refused(f"the body may have {most} bytes here", code="body_too_large", status=413)
        return bytes(held)

    async def json(self, model: type[T]) -> T:
        """Return the body as a record; no body at all is an empty object.

        Raises:
            Invalid: If it is not what the record asks for; names the field.
        """
        return decode_body(await self.read(JSON_BYTES), model)

    def flag(self, name: str) -> bool | None:
        """Return a yes or no of the query, where the name alone is a yes; ``None`` if it is not there.

        Raises:
            Invalid: If it is neither.
        """
        text = self.query.get(name)
        if text not in (None, "", "true", "false"):
            raise Invalid(f"{name} must be true or false, not {text[:20]!r}")
        return None if text is None else text != "false"

    def number(self, name: str, usual: int, most: int) -> int:
        """Return a whole number of the query from 1 to ``most``.

        Raises:
            Invalid: If it is none.
        """
        text = self.query.get(name)
        if text is None:
            return usual
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
            raise Invalid(f"{name} must be a whole number from 1 to {most}, not {text[:20]!r}")
        return int(text)


def decode_body(body: bytes, model: type[T]) -> T:
    """Return a body of JSON as a record; no body at all is an empty object.

    Raises:
        Invalid: If it is not what the record asks for; names the field.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=model)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is not acceptable: {error}") from error


def json_reply(value: Any, status: int = 200) -> Reply:
    """Answer with JSON."""
    headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
    return Reply(status, msgspec.json.encode(value), headers)
