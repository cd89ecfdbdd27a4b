import json

import h11
import pytest
import trio
import trio.testing

from aexl.core.http.origin import OriginRule
from aexl.core.http.wire import ClientGone

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


async def test_requests_on_one_connection_are_answered_in_turn(serve, echo) -> None:
    client = await (await serve(echo)).connect()

    for _ in range(3):
        await client.send(GET)
        assert (await client.answer()).body == b"GET /a "
        await client.send(POST)
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"POST /p hello")
        assert answer.header(b"content-length") == b"13"
        assert answer.header(b"connection") is None
        assert answer.header(b"server") is None


async def test_pipelined_requests_are_answered_in_order(serve, echo) -> None:
    client = await (await serve(echo)).connect()
    await client.send((GET + POST) * 20)

    for _ in range(20):
        assert (await client.answer()).body == b"GET /a "
        assert (await client.answer()).body == b"POST /p hello"


async def test_a_malformed_request_behind_a_good_one_is_refused_after_its_answer(serve, echo) -> None:
    client = await (await serve(echo)).connect()
    await client.send(POST + b"GET / HTTP/1.1\r\n\r\n" + GET)

    assert (await client.answer()).status == 200
    answer = await client.answer()
    assert (answer.status, answer.header(b"connection")) == (400, b"close")
    assert json.loads(answer.body)["error"]["code"] == "malformed_request"
    assert await client.is_closed()


async def test_the_scope_says_what_was_asked(serve, start, body) -> None:
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append(scope)
        await send(start())
        await send(body())

    served = await serve(app)
    client = await served.connect()
    await client.send(b"OPTIONS /a%20%C3%A9%2F?b=%20 HTTP/1.1\r\nHOST: Me\r\nX-A: 1\r\nX-A: 2\r\n\r\n")
    await client.answer()
    await client.send(GET)
    await client.answer()

    scope, second = seen
    assert scope == {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "OPTIONS",
        "scheme": "http", "path": "/a é/", "raw_path": b"/a%20%C3%A9%2F", "query_string": b"b=%20", "root_path": "",
        "headers": [(b"host", b"Me"), (b"x-a", b"1"), (b"x-a", b"2")], "client": None, "server": None, "state": {},
        "extensions": {},
    }  # fmt: skip
    assert second["state"] is not scope["state"]


async def test_a_body_is_streamed_in_as_it_comes(serve, start, body) -> None:
    pieces: list[tuple[bytes, bool]] = []
    got = trio.testing.Sequencer()

    async def app(scope, receive, send) -> None:
        for step in (1, 3, 5):
            async with got(step):
                message = await receive()
                pieces.append((message["body"], message["more_body"]))
        await send(start())
        await send(body())

    client = await (await serve(app)).connect()
    async with got(0):
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab")
    async with got(2):
        await client.send(b"c\r\n2\r\nde\r\n")
    async with got(4):
        await client.send(b"0\r\n\r\n")
    assert (await client.answer()).status == 200
    assert pieces == [(b"ab", True), (b"cde", True), (b"", False)]


async def test_a_body_that_nobody_takes_is_not_read(serve) -> None:
    async def app(scope, receive, send) -> None:
        await trio.sleep_forever()

    served = await serve(app)
    client = await served.connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    await trio.testing.wait_all_tasks_blocked()
    await client.send(b"x" * 1000)
    await trio.testing.wait_all_tasks_blocked()
    (connection,) = served.server._connections
    assert connection._reader.buffered == 0


async def test_100_continue_is_sent_only_when_the_application_asks(serve, autojump_clock, start, body) -> None:
    asking = trio.Event()

    async def app(scope, receive, send) -> None:
        await asking.wait()
        message = await receive()
        await send(start())
        await send(body(message["body"]))

    client = await (await serve(app)).connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    with trio.move_on_after(1):
        pytest.fail(f"sent {await client.stream.receive_some()!r} too early")
    asking.set()
    assert await client.stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"ab")
    assert (await client.answer()).body == b"ab"
    await client.send(GET)
    await client.answer()


async def test_a_refused_expectation_gets_no_100_and_the_connection_ends(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start(status=401))
        await send(body(b"no"))

    client = await (await serve(app)).connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    answer = await client.answer()
    assert (answer.status, answer.header(b"connection")) == (401, b"close")
    assert await client.is_closed()


async def test_a_body_that_came_without_being_asked_for_gets_no_100(serve, echo) -> None:
    served = await serve(echo)
    client = await served.connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab")
    assert (await client.stream.receive_some()).startswith(b"HTTP/1.1 200 ")


async def test_a_head_is_answered_without_a_body(serve, echo) -> None:
    client = await (await serve(echo)).connect()
    await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    answer = await client.answer("HEAD")
    assert (answer.header(b"content-length"), answer.body) == (b"7", b"")
    assert (await client.answer()).body == b"GET /a "


async def test_each_message_is_one_write_and_the_head_goes_with_the_first(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start((b"a", b"b"), (b"date", b"x")))
        for piece in (b"one", b"two"):
            await send(body(piece, more=True))
            await trio.testing.wait_all_tasks_blocked()
        await send(body(b"three"))

    client = await (await serve(app)).connect()
    await client.send(GET)
    assert [await client.stream.receive_some() for _ in range(3)] == [
        b"HTTP/1.1 200 OK\r\na: b\r\ndate: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n",
        b"3\r\ntwo\r\n",
        b"5\r\nthree\r\n0\r\n\r\n",
    ]


async def test_an_empty_first_message_sends_the_head_alone(serve, start, body) -> None:
    going_on = trio.Event()

    async def app(scope, receive, send) -> None:
        await send(start((b"date", b"x")))
        await send(body(more=True))
        await going_on.wait()
        await send(body())

    client = await (await serve(app)).connect()
    await client.send(GET)
    assert (await client.stream.receive_some()).endswith(b"chunked\r\n\r\n")
    going_on.set()
    assert await client.stream.receive_some() == b"0\r\n\r\n"


async def test_a_stream_to_a_fast_client_lets_the_others_run(serve, start, body) -> None:
    others = 0

    async def app(scope, receive, send) -> None:
        nonlocal others
        await send(start())
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def other() -> None:
                nonlocal others
                while True:
                    await trio.lowlevel.checkpoint()
                    others += 1

            for _ in range(100):
                await send(body(b"x", more=True))
            nursery.cancel_scope.cancel()
        await send(body())

    await (await serve(app)).exchange(GET)
    assert others >= 5


async def test_an_answer_to_1_0_ends_with_the_connection(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start())
        await send(body(b"one", more=True))
        await send(body(b"two"))

    client = await (await serve(app)).connect()
    await client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    raw = await client.rest()
    assert b"connection: close\r\n" in raw
    assert raw.endswith(b"\r\n\r\nonetwo")


async def test_1_0_is_kept_where_the_length_is_known(serve, echo) -> None:
    client = await (await serve(echo)).connect()
    for _ in range(2):
        await client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        assert (await client.answer()).header(b"connection") == b"keep-alive"
    await client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert (await client.answer()).header(b"connection") == b"close"
    assert await client.is_closed()


async def test_an_upgrade_can_be_refused_and_the_connection_goes_on(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        upgrade = (b"upgrade", b"websocket") in scope["headers"]
        await send(start(status=426 if upgrade else 200))
        await send(body(b"no" if upgrade else b"yes"))

    client = await (await serve(app)).connect()
    await client.send(
        b"GET /v1/responses HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
    )
    assert (await client.answer()).status == 426
    await client.send(GET)
    assert (await client.answer()).body == b"yes"


async def test_a_client_that_asks_to_close_is_closed(serve, echo) -> None:
    client = await (await serve(echo)).connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert (await client.answer()).header(b"connection") == b"close"
    assert await client.is_closed()


async def test_an_application_that_asks_to_close_is_obeyed(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start((b"Connection", b"close")))
        await send(body(b"x"))

    client = await (await serve(app)).connect()
    await client.send(GET)
    answer = await client.answer()
    assert [value for name, value in answer.headers if name == b"connection"] == [b"close"]
    assert await client.is_closed()


async def test_a_short_body_that_was_not_taken_is_dropped(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start(status=401))
        await send(body(b"no"))

    client = await (await serve(app)).connect()
    await client.send(POST + POST[:-2])
    assert (await client.answer()).status == 401
    assert (await client.answer()).header(b"connection") is None
    await client.send(POST[-2:] + GET)
    assert (await client.answer()).status == 401


async def test_a_long_body_that_was_not_taken_ends_the_connection(serve, autojump_clock, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start(status=401))
        await send(body(b"no"))

    client = await (await serve(app)).connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n")
    assert (await client.answer()).header(b"connection") == b"close"
    await client.send(b"x" * 65537)  # taken and dropped, so that the client gets to read its answer
    assert await client.is_closed()


async def test_what_a_client_sends_ahead_is_bounded(serve) -> None:
    async def app(scope, receive, send) -> None:
        await receive()
        await receive()

    served = await serve(app)
    client = await served.connect()
    await client.send(GET)
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(10):
        await client.send(GET * 2000)
        await trio.testing.wait_all_tasks_blocked()
    connection = next(iter(served.server._connections))
    assert connection._reader.buffered <= 2 * 65536


async def test_a_request_may_come_byte_by_byte(serve, echo) -> None:
    client = await (await serve(echo)).connect()
    for at in range(len(CHUNKED)):
        await client.send(CHUNKED[at : at + 1])
        await trio.testing.wait_all_tasks_blocked()
    assert (await client.answer()).body == b"PUT / abcde"
    await client.send(GET)
    assert (await client.answer()).status == 200


async def test_too_long_a_body_is_refused_and_the_application_is_told(serve, start) -> None:
    seen = []

    async def app(scope, receive, send) -> None:
        while (message := await receive())["type"] == "http.request":
            seen.append(message["body"])
        with pytest.raises(ClientGone):
            await send(start())

    client = await (await serve(app, body_bytes=10)).connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\n")
    answer = await client.answer()
    assert (answer.status, answer.header(b"connection")) == (413, b"close")
    await client.stream.send_eof()
    assert await client.is_closed()
    assert seen == [b"abcdef"]


async def test_a_bad_chunk_behind_a_begun_answer_cuts_it(serve, start, body) -> None:
    async def app(scope, receive, send) -> None:
        await send(start())
        await send(body(b"x", more=True))
        assert (await receive())["type"] == "http.disconnect"
        await send(body(b"y"))

    client = await (await serve(app)).connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    with pytest.raises(h11.RemoteProtocolError):
        await client.answer()


async def test_the_host_and_origin_rule_comes_before_the_application(serve) -> None:
    async def app(scope, receive, send) -> None:
        pytest.fail("the application was asked")

    served = await serve(app, origins=OriginRule(ports=[9000]))
    answer = await served.exchange(b"POST / HTTP/1.1\r\nHost: evil.example:9000\r\nContent-Length: 2\r\n\r\nab")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (403, "host_not_allowed")
    answer = await served.exchange(b"GET / HTTP/1.1\r\nHost: localhost:9000\r\nOrigin: null\r\n\r\n")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (403, "origin_not_allowed")
    assert not any(name.startswith(b"access-control") for name, _ in answer.headers)


async def test_without_a_rule_any_host_is_let_in(serve, echo) -> None:
    answer = await (await serve(echo)).exchange(b"GET / HTTP/1.1\r\nHost: b\r\nOrigin: null\r\n\r\n")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (b"host: elsewhere\r\ncontent-length: 2\r\n\r\nhi", "host_not_allowed"),
        (b"host: localhost\r\ncontent-length: 9\r\n\r\n", "body_too_large"),
        (b"host: localhost\r\ntransfer-encoding: chunked\r\n\r\n9\r\n123456789\r\n", "body_too_large"),
        (b"host: localhost\r\ncontent-length: x\r\n\r\n", "malformed_request"),
    ],
)
async def test_a_refusal_has_the_shape_of_the_surface_it_answers_on(serve, echo, lines, code):
    def refuse(refused, path, method):
        return refused.status, [(b"x-shape", b"mine")], f"{refused.code} {method} {path}".encode()

    served = await serve(echo, origins=OriginRule(ports=[80]), refuse=refuse, body_bytes=8)
    answer = await served.exchange(b"POST /v1/messages?a=b HTTP/1.1\r\n" + lines)
    assert answer.header(b"x-shape") == b"mine"
    assert answer.header(b"connection") == b"close"
    assert answer.body.decode() == f"{code} POST /v1/messages"
