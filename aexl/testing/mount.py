"""A client for one mount, without sockets, and what every mount must do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

import msgspec
import trio

from aexl.api import Headers, Mount, Principal
from aexl.testing.factories import make_principal

ANSWERING_SECONDS: Final = 5.0
"""How long an answer may take in a test: long enough for a slow machine, short for who waits."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_FRAMING = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A mount's answer; header names as the application wrote them."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


async def ask(
    mount: Mount,
    path: str | None = None,
    *,
    method: str = "GET",
    query: str = "",
    headers: Headers = (),
    body: Sequence[bytes] = (b"",),
    principal: Principal | None = None,
) -> Answered:
    """Make one request as the host would, after it has authenticated the caller.

    Args:
        path: The whole path, the mount's own by default.
        body: The request's body in the pieces in which it arrives.
        principal: Who asks; by default an agent ``alice`` whose token has the scope that the mount
            needs. A mount without authentication is told of nobody.

    Raises:
        AssertionError: If the messages break ASGI's order.
        trio.TooSlowError: If the answer is not complete after five seconds.
    """
    turn = _Turn(body)
    with trio.fail_after(ANSWERING_SECONDS):
        await mount.app(_scope(mount, path or mount.path, method, query, headers, principal), turn.receive, turn.send)
    assert turn.status is not None, "the application returned without an answer"
    assert turn.ended, "the application returned before the end of its answer"
    return Answered(status=turn.status, headers=turn.headers, body=bytes(turn.body))


def _scope(
    mount: Mount, path: str, method: str, query: str, headers: Headers, principal: Principal | None
) -> dict[str, Any]:
    state: dict[str, object] = {}
    if mount.auth != "none":
        state["principal"] = principal or make_principal(scope=mount.auth)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "state": state,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 9000),
        "extensions": {},
    }


class _Turn:
    """One request's messages; what the application sends is held to ASGI's order."""

    def __init__(self, body: Sequence[bytes]) -> None:
        self._pieces = list(body) or [b""]
        self._complete = trio.Event()
        self.status: int | None = None
        self.headers: Headers = ()
        self.body = bytearray()

    @property
    def ended(self) -> bool:
        return self._complete.is_set()

    async def receive(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self._complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await trio.lowlevel.checkpoint()
        assert not self.ended, f"{message['type']} came after the end of the answer"
        if message["type"] == "http.response.start":
            assert self.status is None, "http.response.start was sent twice"
            self.status = message["status"]
            self.headers = tuple((name, value) for name, value in message.get("headers", ()))
            return
        assert message["type"] == "http.response.body", f"{message['type']!r} is no message of an HTTP answer"
        assert self.status is not None, "a body was sent before http.response.start"
        self.body += message.get("body", b"")
        if not message.get("more_body", False):
            self._complete.set()


class MountConformance(ABC):
    """Promises of every ``aexl.api.Mount``; derive a test class, and say how to make one.

    Attributes:
        page: A path that answers a GET with a status below 400; the mount's own if empty.
    """

    page: str = ""

    @abstractmethod
    def make_mount(self) -> Mount:
        """Return the mount, ready for use."""

    def _page(self, mount: Mount) -> str:
        return self.page or mount.path

    def test_the_path_is_absolute_and_plain(self) -> None:
        mount = self.make_mount()
        assert isinstance(mount, Mount)
        assert re.fullmatch(r"/|(/[A-Za-z0-9._~-]+)+", mount.path)
        assert self._page(mount) == mount.path or self._page(mount).startswith(mount.path.rstrip("/") + "/")

    async def test_a_get_is_answered(self) -> None:
        mount = self.make_mount()
        answer = await ask(mount, self._page(mount))
        assert 200 <= answer.status < 400

    async def test_the_head_is_one_that_the_server_can_send(self) -> None:
        mount = self.make_mount()
        answer = await ask(mount, self._page(mount))
        for name, value in answer.headers:
            assert _TOKEN.fullmatch(name), "header names are tokens in lower-case bytes"
            assert name not in _FRAMING, "the server frames answers; an application does not"
            assert not {0, 10, 13} & set(value)
        assert answer.body == b"" or answer.header(b"content-type")
        length = answer.header(b"content-length")
        assert length is None or int(length) == len(answer.body)

    async def test_a_head_request_has_the_status_of_a_get(self) -> None:
        mount = self.make_mount()
        got = await ask(mount, self._page(mount))
        assert (await ask(mount, self._page(mount), method="HEAD")).status in (got.status, 405)

    async def test_what_does_not_exist_is_answered_and_not_raised(self) -> None:
        mount = self.make_mount()
        answer = await ask(mount, f"{mount.path.rstrip('/')}/no/such/page%20here")
        assert 200 <= answer.status < 500

    async def test_a_method_it_does_not_know_is_answered_and_not_raised(self) -> None:
        mount = self.make_mount()
        assert 200 <= (await ask(mount, self._page(mount), method="PROPFIND")).status < 502

    async def test_a_body_in_pieces_and_an_odd_query_do_no_harm(self) -> None:
        mount = self.make_mount()
        answer = await ask(mount, self._page(mount), method="POST", query="a=%ff&&=", body=(b"{", b"", b"not json"))
        assert 200 <= answer.status < 500

    async def test_requests_at_the_same_time_do_not_mix(self) -> None:
        mount = self.make_mount()
        answers: list[Answered] = []

        async def one() -> None:
            answers.append(await ask(mount, self._page(mount)))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
        assert len({answer.status for answer in answers}) == 1

    async def test_a_client_that_leaves_ends_the_request(self) -> None:
        mount = self.make_mount()

        async def receive() -> dict[str, Any]:
            await trio.lowlevel.checkpoint()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            raise OSError(f"the client is gone; {message['type']} cannot be sent")

        # What comes of writing to a client that left is no fault; the server expects it too.
        with trio.fail_after(ANSWERING_SECONDS), suppress(Exception):
            await mount.app(_scope(mount, self._page(mount), "GET", "", (), None), receive, send)

    async def test_cancellation_leaves_the_application(self) -> None:
        mount = self.make_mount()

        async def send(message: Any) -> None:  # noqa: ARG001 - a client that takes nothing
            await trio.sleep_forever()

        async def receive() -> dict[str, Any]:
            await trio.sleep_forever()
            raise AssertionError("unreachable")

        with trio.move_on_after(0.05) as scope:
            await mount.app(_scope(mount, self._page(mount), "GET", "", (), None), receive, send)
        assert scope.cancelled_caught
