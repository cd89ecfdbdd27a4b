"""What an application does wrong, and what its client sees."""

import json
import logging

import h11
import pytest
import trio
import trio.testing

from aexl.core.http.wire import ClientGone

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_failure_before_the_head_is_500(serve, caplog, start) -> None:
    async def app(scope, receive, send) -> None:
        await send(start())
        raise LookupError("secret")

    client = await (await serve(app)).connect()
    await client.send(GET)
    answer = await client.answer()
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert await client.is_closed()
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("aexl.http", logging.ERROR)
    assert "LookupError: secret" in caplog.text


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"10")]], ids=["chunked", "length"])
async def test_a_failure_within_the_body_cuts_the_connection(serve, caplog, headers, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start(*headers))
        await send(body(b"some", more=True))
        raise LookupError

    client = await (await serve(app)).connect()
    await client.send(GET)
    with pytest.raises(h11.RemoteProtocolError):
        await client.answer()


async def test_an_application_that_says_nothing_is_a_failure(serve, caplog) -> None:
    async def app(scope, receive, send) -> None:
        pass

    assert (await (await serve(app)).exchange(GET)).status == 500
    assert "before its answer to GET /a was complete" in caplog.text


async def test_an_application_that_stops_half_way_cuts_the_connection(serve, caplog, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start())
        await send(body(b"some", more=True))

    with pytest.raises(h11.RemoteProtocolError):
        await (await serve(app)).exchange(GET)


@pytest.mark.parametrize("sent", [b"abc", b"abcdefgh"])
async def test_a_whole_body_of_another_length_than_announced_is_500(serve, caplog, sent, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start((b"content-length", b"5")))
        await send(body(sent))

    assert (await (await serve(app)).exchange(GET)).status == 500


@pytest.mark.parametrize("sent", [b"abc", b"abcdefgh"])
async def test_a_streamed_body_of_another_length_than_announced_cuts_the_connection(
    serve, caplog, sent, start, body
) -> None:
    async def app(scope, receive, send) -> None:
        await send(start((b"content-length", b"5")))
        await send(body(sent[:1], more=True))
        await send(body(sent[1:]))

    with pytest.raises(h11.RemoteProtocolError):
        await (await serve(app)).exchange(GET)


@pytest.mark.parametrize(
    "make",
    [
        lambda start, _: [start(), start()],
        lambda _, body: [body()],
        lambda *_: [{"type": "http.nonsense"}],
        lambda start, _: [start((b"x", b"a\r\nb: c"))],
        lambda start, _: [start(status=101)],
    ],
    ids=["two starts", "no start", "unknown", "injection", "101"],
)
async def test_a_wrong_message_is_a_failure(serve, caplog, make, start, body) -> None:
    async def app(scope, receive, send) -> None:
        for message in make(start, body):
            await send(message)

    assert (await (await serve(app)).exchange(GET)).status == 500


async def test_nothing_can_follow_the_last_message(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start())
        await send(body(b"x"))
        with pytest.raises(RuntimeError, match="after the last one"):
            await send(body(b"y"))

    assert (await (await serve(app)).exchange(GET)).body == b"x"


async def test_nothing_follows_a_send_that_was_cancelled_half_way(serve, autojump_clock, start, body) -> None:
    failed = trio.Event()

    async def app(scope, receive, send) -> None:
        await send(start())
        with trio.move_on_after(1):
            await send(body(b"x", more=True))
        with pytest.raises(ClientGone):
            await send(body(b"y"))
        failed.set()

    served = await serve(app)
    client, stuck = trio.testing.memory_stream_pair()
    stuck.send_stream.send_all_hook = trio.sleep_forever
    await served.listener._coming.send(stuck)
    await client.send_all(GET)
    await failed.wait()
    sent = b""
    while data := await client.receive_some():
        sent += data
    assert sent.endswith(b"1\r\nx\r\n")
