"""From a request to the mount that serves it: the longest prefix, then the token."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from aexl.api import Accounts, ASGIReceive, ASGIScope, ASGISend, Headers, Mount, Principal, Scope
from aexl.core.http.refusal import WriteRefusal, neutral_refusal
from aexl.errors import Refused

RANK: Final[dict[str, int]] = {"none": 0, "read": 1, "execute": 2, "admin": 3}

_TOKEN_HEADERS: Final = frozenset({b"authorization", b"x-api-key", b"x-goog-api-key", b"x-api-token"})

PATHS_KEPT: Final = 256
"""Paths whose mount is not looked for again."""

ANONYMOUS: Final = Principal(agent="anonymous", token_id="", scope="execute")
"""Who asks where no plugin keeps accounts: calls run and are not governed, ``aexl doctor`` says so."""


class Router:
    """An ASGI application that serves mounts.

    Args:
        accounts: Who knows tokens; ``None`` where no plugin does.
    """

    def __init__(self, mounts: Iterable[Mount], accounts: Accounts | None) -> None:
        self._mounts = {mount.path.rstrip("/") or "/": mount for mount in mounts}
        self._accounts = accounts
        self.find = lru_cache(PATHS_KEPT)(self._find)
        """Returns the mount with the longest prefix of whole segments, ``None`` where there is none."""
        self.unauthenticated = 0
        """Requests without a valid token: counted, not written to the ledger."""

    def _find(self, path: str) -> Mount | None:
        while path and path != "/":
            mount = self._mounts.get(path)
            if mount is not None:
                return mount
            path = path.rpartition("/")[0]
        return self._mounts.get("/")

    def refuse(self, refused: Refused, path: str, method: str) -> tuple[int, Headers, bytes]:
        """Write a refusal in the dialect of whom the path belongs to."""
        return _writer(self.find(path))(refused, path, method)

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        path: str = scope["path"]
        mount = self.find(path)
        if mount is None:
            missing = Refused(f"there is nothing at {path}", code="not_found", status=404)
            return await send_refusal(send, missing, None, path, scope["method"])
        if mount.auth != "none":
            if mount.query_key is not None and scope["query_string"]:
                move_token(scope, mount.query_key)
            principal: Principal | None = None
            try:
                accounts = self._accounts
                principal = ANONYMOUS if accounts is None else await accounts.authenticate(find_token(scope["headers"]))
                check_scope(principal, mount.auth)
            except Refused as refused:
                if principal is None:
                    self.unauthenticated += 1
                return await send_refusal(send, refused, mount, path, scope["method"])
            scope.setdefault("state", {})["principal"] = principal
        return await mount.app(scope, receive, send)


def check_scope(principal: Principal, needed: str) -> None:
    """Refuse a token whose scope does not reach.

    Raises:
        Refused: 403, with a code that says which scope is missing.
    """
    if RANK[principal.scope] < RANK[needed]:
        scope: Scope = principal.scope
        code = "read_only_token" if scope == "read" and needed == "execute" else "scope_missing"
        raise Refused(f"this token may {scope}; the request needs one that may {needed}", code=code, status=403)


def find_token(headers: Headers) -> str:
    """Return the one token that a request brings, in whichever header its client uses.

    Raises:
        Refused: 401 if there is none, or two that differ.
    """
    found: bytes | None = None
    for name, value in headers:
        if name not in _TOKEN_HEADERS:
            continue
        token = value
        if name == b"authorization":
            kind, _, token = value.partition(b" ")
            token = token.strip() if kind.lower() == b"bearer" else b""
        if found is not None and token != found:
            raise Refused("two different tokens were sent; send one", code="conflicting_tokens", status=401)
        found = token
    if not found:
        raise Refused(
            "no token was sent; put an agent's token into 'Authorization: Bearer' or 'x-api-key'",
            code="missing_token",
            status=401,
        )
    return found.decode("latin-1")


def move_token(scope: ASGIScope, parameter: str) -> None:
    """Move a token from the query string, where logs and providers could see it, to the headers."""
    wanted = parameter.encode()
    pairs: list[bytes] = scope["query_string"].split(b"&")
    tokens = [pair for pair in pairs if unquote_to_bytes(pair.partition(b"=")[0]) == wanted]
    if tokens:
        scope["query_string"] = b"&".join(pair for pair in pairs if pair not in tokens)
        values = (unquote_to_bytes(pair.partition(b"=")[2]) for pair in tokens)
        scope["headers"] = [*scope["headers"], *((b"x-goog-api-key", value) for value in values)]


async def send_refusal(send: ASGISend, refused: Refused, mount: Mount | None, path: str, method: str) -> None:
    """Answer with a refusal, in the mount's own dialect where it has one."""
    status, headers, body = _writer(mount)(refused, path, method)
    await send_whole(send, status, headers, body)


def _writer(mount: Mount | None) -> WriteRefusal:
    return neutral_refusal if mount is None or mount.refuse is None else mount.refuse


async def send_whole(send: ASGISend, status: int, headers: Headers, body: bytes) -> None:
    """Send a complete answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
