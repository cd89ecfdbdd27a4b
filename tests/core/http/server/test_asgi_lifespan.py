import pytest
import trio
from starlette.applications import Starlette

from aexl.core.http.lifespan import LifespanFailed, asgi_lifespan


def application(events: list[str], *, fail_at: str = "") -> object:
    async def app(scope, receive, send) -> None:
        assert scope["type"] == "lifespan"
        for stage in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{stage}"
            events.append(stage)
            scope["state"]["key"] = stage
            if stage == fail_at:
                await send({"type": f"lifespan.{stage}.failed", "message": "no disk"})
                return
            await send({"type": f"lifespan.{stage}.complete"})

    return app


async def test_an_application_is_started_and_ended() -> None:
    events: list[str] = []
    async with asgi_lifespan(application(events)) as state:
        assert events == ["startup"]
        assert state == {"key": "startup"}
    assert events == ["startup", "shutdown"]


async def test_it_is_ended_when_the_block_fails() -> None:
    events: list[str] = []
    with pytest.raises(LookupError):
        async with asgi_lifespan(application(events)):
            raise LookupError
    assert events == ["startup", "shutdown"]


async def test_it_is_ended_when_the_block_is_cancelled() -> None:
    events: list[str] = []
    with trio.CancelScope() as scope:
        async with asgi_lifespan(application(events)):
            scope.cancel()
            await trio.sleep_forever()
    assert events == ["startup", "shutdown"]


@pytest.mark.parametrize("stage", ["startup", "shutdown"])
async def test_a_reported_failure_comes_out(stage) -> None:
    with pytest.raises(LifespanFailed, match="no disk"):
        async with asgi_lifespan(application([], fail_at=stage)):
            assert stage == "shutdown"


async def test_a_failure_in_between_ends_the_block() -> None:
    async def app(scope, receive, send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise LookupError("gone")

    with pytest.raises(LifespanFailed, match="gone"):
        async with asgi_lifespan(app):
            await trio.sleep_forever()


async def test_an_application_without_the_protocol_is_left_alone() -> None:
    async def asserts(scope, receive, send) -> None:
        assert scope["type"] == "http"

    async def returns(scope, receive, send) -> None:
        pass

    for app in (asserts, returns):
        async with asgi_lifespan(app) as state:
            assert state == {}


async def test_an_application_that_does_not_end_is_left_behind(autojump_clock) -> None:
    async def app(scope, receive, send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await trio.sleep_forever()

    with pytest.raises(LifespanFailed, match="did not end"):
        async with asgi_lifespan(app):
            pass


async def test_starlette_is_started_and_ended() -> None:
    from contextlib import asynccontextmanager

    events = []

    @asynccontextmanager
    async def lifespan(app):
        events.append("up")
        yield {"a": 1}
        events.append("down")

    async with asgi_lifespan(Starlette(lifespan=lifespan)) as state:
        assert state == {"a": 1}
    assert events == ["up", "down"]
