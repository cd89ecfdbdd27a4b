"""The yardstick: a forwarder on trio and httptools that governs nothing.

It does what any HTTP proxy must: frames requests and answers by parsing them,
keeps connections to the upstream, passes bytes on as they arrive, in the
writes in which they came. It does not look into bodies, has no limits and no
timeouts. What aexl adds to it is the price of governance.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

import httptools
import trio

READ = 65536


class Request:
    """Receives one request from the parser."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the last request."""
        self.target = b""
        self.headers: list[bytes] = []
        self.body: list[bytes] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() != b"host":
            self.headers.append(b"%b: %b\r\n" % (name, value))

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.complete = True


class Answer:
    """Hears from the parser when an answer is complete."""

    def __init__(self) -> None:
        self.complete = False

    def on_message_complete(self) -> None:
        self.complete = True


class Upstream:
    """Kept connections to one address."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self.host = f"{host}:{port}".encode()
        self._idle: list[trio.SocketStream] = []

    async def take(self) -> trio.SocketStream:
        """Return an idle connection, or a new one."""
        return self._idle.pop() if self._idle else await trio.open_tcp_stream(*self._address)

    def give(self, connection: trio.SocketStream) -> None:
        """Keep a connection whose answer is complete."""
        self._idle.append(connection)


async def serve(upstream: Upstream, client: trio.SocketStream) -> None:
    """Serve one client, request by request."""
    request = Request()
    parser = httptools.HttpRequestParser(request)
    try:
        while data := await client.receive_some(READ):
            parser.feed_data(data)
            if request.complete:
                await forward(upstream, parser.get_method(), request, client)
                request.begin()
    except (trio.BrokenResourceError, httptools.HttpParserError):
        pass  # a client that leaves, or talks nonsense, ends its own connection only
    finally:
        await trio.aclose_forcefully(client)


async def forward(upstream: Upstream, method: bytes, request: Request, client: trio.SocketStream) -> None:
    """Send a request on, and pass the answer's bytes back."""
    server = await upstream.take()
    answer = Answer()
    parser = httptools.HttpResponseParser(answer)
    head = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (method, request.target, upstream.host, b"".join(request.headers))
    await server.send_all(head + b"".join(request.body))
    while not answer.complete:
        data = await server.receive_some(READ)
        if not data:
            raise trio.BrokenResourceError
        parser.feed_data(data)
        await client.send_all(data)
    upstream.give(server)


async def run(port: int, upstream: Upstream) -> None:
    """Listen and serve for ever."""
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    sys.stdout.write(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}\n")
    sys.stdout.flush()
    await trio.serve_listeners(partial(serve, upstream), listeners)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("upstream", help="host:port")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    host, _, port = options.upstream.rpartition(":")
    trio.run(run, options.port, Upstream(host, int(port)))


if __name__ == "__main__":
    main()
