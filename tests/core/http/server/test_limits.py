import json

import pytest
import trio
import trio.testing

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


async def test_headers_may_take_their_time_and_no_longer(serve, echo, autojump_clock) -> None:
    served = await serve(echo)
    client = await served.connect()
    await client.send(GET[:-1])
    await trio.sleep(9.99)
    await client.send(GET[-1:])
    assert (await client.answer()).status == 200

    client = await served.connect()
    began = trio.current_time()
    await client.send(GET[:-1])
    answer = await client.answer()
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (408, "headers_timeout")
    assert 10 <= trio.current_time() - began <= 11


async def test_headers_that_come_late_are_refused_though_nobody_looked_yet(serve, echo, autojump_clock) -> None:
    served = await serve(echo)
    await trio.sleep(0.5)  # between two looks of the watcher
    client = await served.connect()
    await client.send(GET[:-1])
    await trio.sleep(10.01)
    await client.send(GET[-1:])
    assert (await client.answer()).status == 408


async def test_a_drip_of_header_bytes_does_not_buy_time(serve, echo, autojump_clock) -> None:
    client = await (await serve(echo)).connect()
    began = trio.current_time()
    for byte in GET[:15]:
        await client.send(bytes([byte]))
        await trio.sleep(0.7)
    assert (await client.answer()).status == 408
    assert trio.current_time() - began <= 11


async def test_a_later_requests_headers_have_their_own_time(serve, echo, autojump_clock) -> None:
    client = await (await serve(echo)).connect()
    await client.send(GET)
    await client.answer()
    await trio.sleep(30)
    await client.send(GET[:5])
    await trio.sleep(9.9)
    await client.send(GET[5:])
    assert (await client.answer()).status == 200
    await client.send(GET[:5])
    assert (await client.answer()).status == 408


async def test_a_fresh_connection_that_says_nothing_is_closed(serve, echo, autojump_clock) -> None:
    client = await (await serve(echo)).connect()
    began = trio.current_time()
    assert await client.is_closed()
    assert 10 <= trio.current_time() - began <= 11


async def test_a_kept_connection_lives_for_its_time(serve, echo, autojump_clock) -> None:
    client = await (await serve(echo)).connect()
    for _ in range(2):
        await client.send(GET)
        await client.answer()
        await trio.sleep(74.9)
    await client.send(GET)
    await client.answer()
    began = trio.current_time()
    assert await client.is_closed()
    assert 75 <= trio.current_time() - began <= 76


async def test_a_slow_application_is_not_the_clients_fault(serve, autojump_clock) -> None:
    async def app(scope, receive, send) -> None:
        await trio.sleep(1000)
        await send({"type": "http.response.start", "status": 200})
        await trio.sleep(1000)
        await send({"type": "http.response.body"})

    client = await (await serve(app)).connect()
    for _ in range(2):
        await client.send(GET)
        assert (await client.answer()).status == 200


async def test_a_body_may_pause_for_its_time_and_no_longer(serve, echo, autojump_clock) -> None:
    served = await serve(echo, body_rate=0)
    client = await served.connect()
    await client.send(PUT)
    for byte in b"hello":
        await trio.sleep(29.99)
        await client.send(bytes([byte]))
    assert (await client.answer()).body == b"PUT / hello"

    began = trio.current_time()
    await client.send(PUT + b"hell")
    answer = await client.answer()
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (408, "body_timeout")
    assert trio.current_time() - began == pytest.approx(30)


async def test_a_body_must_come_at_its_rate(serve, echo, autojump_clock) -> None:
    served = await serve(echo, body_rate=1)
    client = await served.connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def drip() -> None:
            while True:
                await client.send(b"x")
                await trio.sleep(2)

        assert (await client.answer()).status == 408
        nursery.cancel_scope.cancel()
    assert 55 <= trio.current_time() - began <= 62  # 30 seconds and one for each of some thirty bytes


async def test_the_applications_own_pauses_do_not_count(serve, autojump_clock) -> None:
    async def app(scope, receive, send) -> None:
        for _ in range(5):
            await trio.sleep(100)
            message = await receive()
        assert not message["more_body"]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    client = await (await serve(app, body_rate=1)).connect()
    await client.send(PUT)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def drip() -> None:
            for _ in range(5):
                await client.send(b"x")
                await trio.sleep(100.5)

        assert (await client.answer()).status == 200


async def test_a_client_that_takes_nothing_is_cut(serve, autojump_clock) -> None:
    failed = trio.Event()

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})
        began = trio.current_time()
        with pytest.raises(OSError, match="took no bytes for 60 seconds"):
            await send({"type": "http.response.body", "body": b"x"})
        assert trio.current_time() - began == 60
        failed.set()

    served = await serve(app)
    client, full = trio.testing.memory_stream_pair()
    full.send_stream.send_all_hook = trio.sleep_forever  # memory streams have no bound of their own
    await served.listener._coming.send(full)
    await client.send_all(GET)
    await failed.wait()


async def test_connections_may_be_as_many_as_their_limit_and_not_one_more(serve, echo, autojump_clock) -> None:
    served = await serve(echo, connections=3)
    kept = [await served.connect() for _ in range(3)]
    for client in kept:
        await client.send(GET)
        await client.answer()
    assert served.server.connections == 3

    refused = await served.connect()
    await refused.send(GET)
    answer = await refused.answer()
    assert (answer.status, answer.header(b"connection")) == (503, b"close")
    assert json.loads(answer.body)["error"]["code"] == "too_many_connections"
    assert await refused.is_closed()

    await kept[0].stream.aclose()
    while served.server.connections == 3:
        await trio.testing.wait_all_tasks_blocked()
    assert (await served.exchange(GET)).status == 200


async def test_a_flood_of_connections_is_closed_without_an_answer(serve, echo, autojump_clock) -> None:
    served = await serve(echo, connections=10)
    clients = [await served.connect() for _ in range(15)]
    await trio.testing.wait_all_tasks_blocked()
    for client in clients[12:]:
        assert await client.rest() == b""
    assert served.server.connections == 10
