"""A request that the server itself refuses, and the answer that says so."""

from __future__ import annotations

import msgspec

from aexl.core.http.response import STATUS_LINES, date_line
from aexl.errors import AexlError


class Refusal(AexlError):
    """A request is not handed to the application; its connection is closed after the answer.

    Args:
        status: The HTTP status of the answer.
        code: Stable identifier, such as ``malformed_request``.
        message: One sentence for the client.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def encode(self, *, bodiless: bool = False) -> bytes:
        """Return the whole answer; ``bodiless`` leaves the body out, for HEAD."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": None, "code": self.code}
        body = msgspec.json.encode({"error": error})
        return b"".join(
            (
                STATUS_LINES[self.status],
                b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body),
                date_line(),
                b"connection: close\r\n\r\n",
                b"" if bodiless else body,
            )
        )
