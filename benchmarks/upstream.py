"""A scripted model server that costs as little as it can: one process, one epoll loop, bytes made beforehand.

Answers ``POST /v1/chat/completions`` and ``POST /v1/messages``, as JSON or as a
stream of 50 pieces of text. A stream is written in several writes, as a real
server does; ``--gap`` puts seconds between them. Prints its address and serves
until it is ended.
"""

from __future__ import annotations

import argparse
import heapq
import re
import select
import socket
import sys
import time
from collections import deque
from typing import Final

import traffic

_STREAM: Final = re.compile(rb'"stream"\s*:\s*true')
_USAGE: Final = re.compile(rb'"include_usage"\s*:\s*true')
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


class Script:
    """The answers, by what a request asks for."""

    def __init__(self, writes: int) -> None:
        self._json = {messages: [traffic.json_answer(messages=messages)] for messages in (True, False)}
        self._streams = {
            (messages, usage): traffic.stream_pieces(messages=messages, usage=usage, writes=writes)
            for messages in (True, False)
            for usage in (True, False)
        }

    def answer(self, head: bytes, body: bytes) -> list[bytes]:
        """Return the pieces to write."""
        messages = head.startswith(b"POST /v1/messages")
        if not messages and not head.startswith(b"POST /v1/chat/completions"):
            return [_NOT_FOUND]
        if _STREAM.search(body):
            return self._streams[messages, _USAGE.search(body) is not None]
        return self._json[messages]


class Connection:
    """A client: what it has sent, and what it has yet to get."""

    __slots__ = ("buffer", "pieces", "sock", "waits")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.pieces: deque[bytes] = deque()
        self.waits = False

    def requests(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Take bytes; return the requests that they complete, as head and body."""
        self.buffer += data
        found = []
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[: end + 2]
            size = end + 4 + (traffic.content_length(head) or 0)
            if len(self.buffer) < size:
                break
            found.append((head, self.buffer[end + 4 : size]))
            self.buffer = self.buffer[size:]
        return found


class Upstream:
    """The loop."""

    def __init__(self, listener: socket.socket, script: Script, gap: float) -> None:
        self._listener = listener
        self._script = script
        self._gap = gap
        self._poll = select.epoll()
        self._poll.register(listener, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._due: list[tuple[float, int]] = []

    def run(self) -> None:
        """Serve for ever."""
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for number, events in self._poll.poll(wait):
                if number == self._listener.fileno():
                    self._accept()
                elif events & ~(select.EPOLLIN | select.EPOLLOUT):
                    self._close(number)
                elif events & select.EPOLLOUT:
                    self._write(number)
                else:
                    self._read(number)
            while self._due and self._due[0][0] <= time.monotonic():
                self._write(heapq.heappop(self._due)[1])

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = Connection(sock)
        self._poll.register(sock, select.EPOLLIN)

    def _close(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection is not None:
            self._poll.unregister(number)
            connection.sock.close()

    def _read(self, number: int) -> None:
        connection = self._connections[number]
        try:
            data = connection.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._close(number)
            return
        for head, body in connection.requests(data):
            connection.pieces += self._script.answer(head, body)
        if connection.pieces and not connection.waits:
            self._write(number)

    def _write(self, number: int) -> None:
        """Write what is due: everything, or with a gap one piece."""
        connection = self._connections.get(number)
        if connection is None:
            return
        connection.waits = False
        pieces = connection.pieces
        while pieces:
            piece = pieces.popleft()
            try:
                sent = connection.sock.send(piece)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._close(number)
                return
            if sent < len(piece):
                pieces.appendleft(piece[sent:])
                connection.waits = True
                self._poll.modify(number, select.EPOLLOUT)
                return
            if self._gap and pieces:
                connection.waits = True
                heapq.heappush(self._due, (time.monotonic() + self._gap, number))
                return
        self._poll.modify(number, select.EPOLLIN)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--writes", type=int, default=8, help="pieces in which a stream is written")
    parser.add_argument("--gap", type=float, default=0.0, help="seconds between them")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    Upstream(listener, Script(options.writes), options.gap).run()


if __name__ == "__main__":
    main()
