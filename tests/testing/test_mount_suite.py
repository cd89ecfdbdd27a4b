"""The mount suite passes for the host's own pages and a Starlette application, and finds planted faults."""

from __future__ import annotations

import pytest
import trio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aexl.api import Mount
from aexl.core.routes import own_mounts
from aexl.testing.factories import make_principal
from aexl.testing.mount import MountConformance, ask


class TestTheHostsOwnHealthPageConforms(MountConformance):
    @pytest.fixture(autouse=True)
    def own(self, make_host):
        self.host = make_host()

    def make_mount(self) -> Mount:
        return next(mount for mount in own_mounts(self.host, lambda: 0) if mount.path == "/health")


async def hello(request):
    return PlainTextResponse(f"Hello {request.state.principal.agent}")


class TestAStarletteApplicationConforms(MountConformance):
    page = "/hello/there"

    def make_mount(self) -> Mount:
        return Mount(path="/hello", app=Starlette(routes=[Route("/hello/there", hello)]), auth="read")


def mount(*messages: dict[str, object]) -> Mount:
    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    return Mount(path="/x", app=app, auth="none")


START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ((), "without an answer"),
        ((BODY,), "before http.response.start"),
        ((START,), "before the end"),
        ((START, START), "sent twice"),
        ((START, BODY, BODY), "after the end"),
        (({"type": "websocket.accept"},), "no message of an HTTP answer"),
    ],
)
async def test_messages_out_of_order_are_named(messages, fault):
    with pytest.raises(AssertionError, match=fault):
        await ask(mount(*messages))


async def test_an_application_that_never_answers_is_too_slow(autojump_clock):
    async def app(scope, receive, send):
        await trio.sleep_forever()

    with pytest.raises(trio.TooSlowError):
        await ask(Mount(path="/x", app=app, auth="none"))


class Suite(MountConformance):
    def __init__(self, made: Mount) -> None:
        self.made = made

    def make_mount(self) -> Mount:
        return self.made


async def test_the_suite_finds_a_header_name_in_upper_case():
    start = {**START, "headers": [(b"Content-Type", b"text/plain")]}
    with pytest.raises(AssertionError, match="lower-case"):
        await Suite(mount(start, BODY)).test_the_head_is_one_that_the_server_can_send()


async def test_the_suite_finds_an_application_that_ignores_cancellation():
    async def app(scope, receive, send):
        with trio.move_on_after(0.2, shield=True):
            await send(START)

    with pytest.raises(AssertionError):
        await Suite(Mount(path="/x", app=app, auth="none")).test_cancellation_leaves_the_application()


async def test_who_asks_is_told_only_where_the_mount_wants_to_know():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["state"].get("principal"))
        await send(START)
        await send(BODY)

    await ask(Mount(path="/x", app=app, auth="none"))
    await ask(Mount(path="/x", app=app, auth="admin"))
    await ask(Mount(path="/x", app=app, auth="read"), principal=make_principal("bob"))
    assert seen[0] is None
    assert (seen[1].agent, seen[1].scope) == ("alice", "admin")
    assert seen[2].agent == "bob"
