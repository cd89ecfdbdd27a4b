"""Sending to a collector: encoded, compressed, tried again, and given up in the end."""

from __future__ import annotations

import gzip
import logging
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import msgspec
import trio

from aexl_telemetry.protobuf import encode
from aexl_telemetry.settings import Destination

logger = logging.getLogger("aexl.telemetry")

RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""The statuses that the protocol allows to try again on."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds; the pause doubles from try to try, and varies by a fifth."""

_CONTENT_TYPES: Final = {"http/protobuf": "application/x-protobuf", "http/json": "application/json"}
_SHOWN: Final = 200


class Exporter:
    """Sends one signal to one place; a batch that cannot be delivered is dropped and counted.

    Args:
        message: The name of the message that is sent.
        destination: Where to.
        transport: By which way.
        version: Ours, for the user agent.
        retry_seconds: How long a batch is tried again.
        jitter: Returns a factor for a pause.

    Attributes:
        exported: Items that the collector took.
        dropped: Items that it did not take.
        problem: Why the last request failed; ``None`` after one that did not.
    """

    def __init__(
        self,
        message: str,
        destination: Destination,
        transport: httpx.AsyncBaseTransport,
        *,
        version: str,
        retry_seconds: float,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),  # noqa: S311 - a pause is no secret
    ) -> None:
        self._message = message
        self._destination = destination
        self._transport = transport
        self._retry_seconds = retry_seconds
        self._jitter = jitter
        self._url = httpx.URL(destination.url)
        self._headers = {
            "content-type": _CONTENT_TYPES[destination.protocol],
            "user-agent": f"aexl/{version}",
            **({"content-encoding": "gzip"} if destination.gzip else {}),
            **destination.headers,
        }
        self._hurried = trio.Event()
        self.exported = 0
        self.dropped = 0
        self.problem: str | None = None

    async def send(self, value: Mapping[str, Any], items: int) -> None:
        """Deliver a batch, or drop it in the end. If cancelled, it may have arrived, and is not counted."""
        data = await trio.to_thread.run_sync(self._encode, value)  # a large batch takes tens of milliseconds
        if await self._deliver(data, trio.current_time() + self._retry_seconds):
            self.exported += items
        else:
            self.dropped += items

    def hurry(self) -> None:
        """Hear that the server stops: what fails from now on is not tried again, and what waits is tried at once."""
        self._hurried.set()

    def _encode(self, value: Mapping[str, Any]) -> bytes:
        is_json = self._destination.protocol == "http/json"
        data = msgspec.json.encode(value) if is_json else encode(self._message, value)
        return gzip.compress(data, 5) if self._destination.gzip else data

    async def _deliver(self, data: bytes, give_up: float) -> bool:
        pause = FIRST_PAUSE
        while True:
            problem, wait = await self._try(data)
            self._say(problem)
            if problem is None:
                return True
            delay = wait or pause * self._jitter()
            if delay < 0 or trio.current_time() + delay > give_up or self._hurried.is_set():
                return False
            with trio.move_on_after(delay):
                await self._hurried.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _try(self, data: bytes) -> tuple[str | None, float | None]:
        """Send once; return what went wrong, and how long to wait: ``None`` for as usual, less than 0 for ever."""
        request = httpx.Request("POST", self._url, headers=self._headers, content=data)
        try:
            with trio.fail_after(self._destination.timeout):
                response = await self._transport.handle_async_request(request)
                try:
                    answer = await response.aread()
                finally:
                    await response.aclose()
        except trio.TooSlowError:
            return f"gave no answer within {self._destination.timeout:g} s", None
        except httpx.TransportError as error:
            return f"could not be reached: {str(error) or type(error).__name__}", None
        status = response.status_code
        if status == 200:
            return None, None
        shown = "" if b"\0" in answer else answer[:_SHOWN].decode("utf-8", "replace")
        problem = f"answered {status} {shown}".rstrip()
        if status in RETRYABLE:
            return problem, _retry_after(response.headers.get("retry-after"))
        return problem, -1.0

    def _say(self, problem: str | None) -> None:
        """Log when things change, and not for each batch."""
        where = f"{self._url.scheme}://{self._url.netloc.decode()}{self._url.path}"
        if problem is not None and self.problem is None:
            logger.warning("the collector at %s %s; what it does not take in time is dropped", where, problem)
        elif problem is None and self.problem is not None:
            logger.info("the collector at %s takes exports again", where)
        self.problem = problem


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a collector asks to wait for, never below 0."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
