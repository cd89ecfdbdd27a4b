"""A load generator: N clients with kept connections, each sending its next request when it has its answer.

One process, one epoll loop, requests made beforehand: it must not take the
processor from the server it measures. Every answer is checked (status, usage,
pieces of a stream, its end); what is wrong is an error and not in the times.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import select
import socket
import sys
import time
from urllib.parse import urlsplit

import traffic

READ = 262144
LONGEST = 30.0
"""Seconds after which a silent server ends the measurement."""


class Client:
    """One connection and its current request."""

    __slots__ = ("first", "parts", "size", "sock", "started", "tail", "want")

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=LONGEST)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.parts: list[bytes] = []
        self.started = self.first = 0.0
        self.size = self.want = 0
        self.tail = b""

    def ask(self, request: bytes, now: float) -> None:
        """Send a request; it is smaller than a socket's buffer."""
        self.parts = []
        self.size = 0
        self.want = -1
        self.tail = b""
        self.started = now
        self.sock.send(request)

    def take(self, data: bytes, now: float) -> bool:
        """Take bytes of the answer; return whether it is complete."""
        if not self.parts:
            self.first = now
        self.parts.append(data)
        self.size += len(data)
        if self.want < 0:
            joined = b"".join(self.parts)
            end = joined.find(b"\r\n\r\n")
            if end < 0:
                return False
            length = traffic.content_length(joined[:end])
            self.want = end + 4 + length if length is not None else 0
        if self.want:
            return self.size >= self.want
        self.tail = (self.tail + data)[-5:]
        return self.tail == b"0\r\n\r\n"


class Load:
    """Drives clients, and keeps what they saw."""

    def __init__(self, url: str, shape: traffic.Shape, token: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._address = (parts.hostname, parts.port)
        self._request = traffic.request(shape, parts.netloc, token, prefix=parts.path.rstrip("/"))
        self._shape = shape
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self.totals: list[float] = []
        self.firsts: list[float] = []
        self.errors: list[str] = []
        self.seconds = 0.0

    def run(self, clients: int, seconds: float, requests: int) -> None:
        """Send for so many seconds, or so many requests where that is not 0; wait for the last answers."""
        for _ in range(clients):
            self._connect()
        begun = time.perf_counter()
        end = begun + seconds
        asked = 0
        for client in self._clients.values():
            client.ask(self._request, time.perf_counter())
            asked += 1
        open_ones = len(self._clients)
        while open_ones:
            ready = self._poll.poll(LONGEST)
            if not ready:
                self.errors.append(f"no answer for {LONGEST} seconds")
                break
            for number, _ in ready:
                client = self._clients[number]
                if not self._advance(client):
                    continue
                if not self.errors and (asked < requests if requests else time.perf_counter() < end):
                    client.ask(self._request, time.perf_counter())
                    asked += 1
                else:
                    self._poll.unregister(number)
                    open_ones -= 1
        self.seconds = time.perf_counter() - begun

    def _connect(self) -> None:
        client = Client(self._address)
        self._clients[client.sock.fileno()] = client
        self._poll.register(client.sock, select.EPOLLIN)

    def _advance(self, client: Client) -> bool:
        """Read once; return whether the client's request is over."""
        try:
            data = client.sock.recv(READ)
        except BlockingIOError:
            return False
        except OSError as error:
            data = b""
            self.errors.append(str(error))
        now = time.perf_counter()
        if not data:
            self.errors.append("the server closed the connection")
            return True
        if not client.take(data, now):
            return False
        wrong = traffic.check(self._shape, b"".join(client.parts))
        if wrong:
            self.errors.append(wrong)
        else:
            self.totals.append(now - client.started)
            self.firsts.append(client.first - client.started)
        return True

    def result(self) -> dict[str, object]:
        """Return what was measured: times in milliseconds, our own processor time in microseconds."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        count = len(self.totals)
        return {
            "requests": count,
            "seconds": self.seconds,
            "rate": count / self.seconds if self.seconds else 0.0,
            "p50": percentile(self.totals, 0.50) * 1e3,
            "p99": percentile(self.totals, 0.99) * 1e3,
            "first_p50": percentile(self.firsts, 0.50) * 1e3,
            "first_p99": percentile(self.firsts, 0.99) * 1e3,
            "errors": len(self.errors),
            "error": self.errors[0] if self.errors else "",
            "own_cpu": (usage.ru_utime + usage.ru_stime) * 1e6 / max(count, 1),
        }


def percentile(values: list[float], part: float) -> float:
    """Return the value below which ``part`` of them lie; 0 for none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def main() -> None:
    """Send, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the API is, without /v1")
    parser.add_argument("--shape", choices=[*traffic.SHAPES, *traffic.TRANSLATED], default="json")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--requests", type=int, default=0, help="send this many instead")
    parser.add_argument("--token", default="none")
    options = parser.parse_args()
    load = Load(options.url, options.shape, options.token)
    gc.disable()
    load.run(options.clients, options.seconds, options.requests)
    json.dump(load.result(), sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
