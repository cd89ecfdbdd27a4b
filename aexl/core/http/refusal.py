"""A request that the server itself refuses, and the answer that says so."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from aexl.api import Headers
from aexl.core.http.response import STATUS_LINES, encode_fields
from aexl.errors import WORTH_RETRYING, AexlError, Refused

WriteRefusal = Callable[[Refused, str, str], tuple[int, Headers, bytes]]
"""Takes a refusal, the request's path and its method; returns status, headers and body, as ``Mount.refuse`` does."""


def neutral_refusal(refused: Refused, path: str = "", method: str = "") -> tuple[int, Headers, bytes]:  # noqa: ARG001 - a WriteRefusal
    """Return a refusal as plain JSON, in the shape that most clients read."""
    error = {"message": refused.reason, "type": "aexl_error", "param": refused.param, "code": refused.code}
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json"), *refused.headers]
    if refused.status not in WORTH_RETRYING:
        headers.append((b"x-should-retry", b"false"))
    elif refused.retry_after is not None:
        headers.append((b"retry-after", str(math.ceil(refused.retry_after)).encode()))
    return refused.status, headers, msgspec.json.encode({"error": error})


class Refusal(AexlError):
    """A request is not handed to the application; its connection is closed after the answer.

    Args:
        status: The HTTP status of the answer.
        code: Stable identifier, such as ``malformed_request``.
        message: One sentence for the client.
        retry_after: Seconds after which asking again makes sense, if ever.

    Attributes:
        path: Of the request, as far as it could be read.
        method: Likewise.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.path = ""
        self.method = ""

    def of(self, method: str, target: bytes) -> Refusal:
        """Note which request is refused, so that the answer can have the shape that its client reads."""
        self.method = method
        self.path = target.partition(b"?")[0].decode("latin-1")
        return self

    def encode(self, write: WriteRefusal = neutral_refusal) -> bytes:
        """Return the whole answer; to HEAD without its body."""
        refused = Refused(self.message, code=self.code, status=self.status, retry_after=self.retry_after)
        status, headers, body = write(refused, self.path, self.method)
        return b"".join(
            (
                STATUS_LINES[status],
                b"\r\ncontent-length: %d" % len(body),
                encode_fields(headers).lines,
                b"\r\nconnection: close\r\n\r\n",
                b"" if self.method == "HEAD" else body,
            )
        )
