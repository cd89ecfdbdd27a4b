"""A client that left while its answer was being made: it is sent, and the application hears that nobody got it."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from aexl.core.http.server import Server, ServerLimits
from aexl.core.http.wire import ClientGone

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("how", ["closed", "half closed", "stayed"])
async def test_the_application_hears_whether_the_client_is_still_there(how):
    heard, asked, answer = [], trio.Event(), trio.Event()

    async def app(scope, receive, send):
        asked.set()
        await answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        try:
            await send({"type": "http.response.body", "body": b"ok"})
            heard.append("sent")
        except ClientGone as error:
            heard.append("gone")
            raise error from None

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(app, limits=ServerLimits(), origins=None)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run, [listener])
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        await client.send_all(REQUEST)
        await asked.wait()
        if how == "closed":
            await client.aclose()
        elif how == "half closed":
            client.socket.shutdown(socket.SHUT_WR)
        await trio.testing.wait_all_tasks_blocked()  # on loopback the end has arrived when close returns
        answer.set()
        if how != "closed":
            assert (await client.receive_some()).endswith(b"ok")
        server.drain()
        if how != "closed":
            await client.aclose()

    assert heard == ["sent" if how == "stayed" else "gone"]
