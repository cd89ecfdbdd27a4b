"""Lines of JSON over two file descriptors, and the door of a context that uses them."""

from __future__ import annotations

import json
import os
from _thread import allocate_lock
from collections.abc import Mapping
from typing import Any

from aexl.sdk.answers import ModelAnswer
from aexl.sdk.errors import ModelRefused
from aexl_runtime.protocol.plain import NotPlain, plain

_CHUNK = 64 * 1024


class Wire:
    """Sends and receives messages; several threads may send."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = allocate_lock()
        self._held = bytearray()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a message."""
        self.send_line(json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")

    def send_line(self, line: bytes) -> None:
        """Write a line that ends with its line feed."""
        with self._lock:
            view = memoryview(line)
            while view:
                view = view[os.write(self._writing, view) :]

    def receive_line(self) -> bytes | None:
        """Wait for the next line; ``None`` at the end."""
        while (end := self._held.find(b"\n")) < 0:
            data = os.read(self._reading, _CHUNK)
            if not data:
                return None
            self._held += data
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        return line

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; ``None`` at the end."""
        line = self.receive_line()
        return None if line is None else json.loads(line)

    def descriptors(self) -> tuple[int, int]:
        """Return what is read and what is written."""
        return self._reading, self._writing

    def close(self) -> None:
        """Close both descriptors."""
        os.close(self._reading)
        if self._writing != self._reading:
            os.close(self._writing)


class WireDoor:
    """``aexl.sdk.door.Door`` over a wire: questions carry numbers, so that several threads can wait."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._numbers = 0
        self._told: dict[int, dict[str, Any]] = {}
        self._is_read = False
        self._turn: Any = None

    def log(self, record: Mapping[str, Any]) -> None:
        """Send a record; what JSON cannot carry becomes text."""
        fields = record.get("fields", {})
        try:
            shown = plain(fields, "fields")
        except NotPlain:
            shown = {str(name): _lenient(value) for name, value in fields.items()}
        self._wire.send({"t": "log", "r": {**record, "fields": shown}})

    def model(self, body: Mapping[str, Any]) -> ModelAnswer:
        """Ask, and wait for the answer."""
        told = self._ask(plain(body, "the request to the model"))
        error = told.get("error")
        if error is not None:
            raise ModelRefused(
                str(error["message"]),
                status=int(error["status"]),
                code=str(error["code"]),
                execution=error.get("execution"),
            )
        return ModelAnswer(told["data"], told.get("execution"), told.get("cost_usd"))

    def _ask(self, body: Any) -> dict[str, Any]:
        import threading

        if self._turn is None:
            self._turn = threading.Condition()
        with self._turn:
            self._numbers += 1
            number = self._numbers
        self._wire.send({"t": "ask", "n": number, "body": body})
        return self._wait(number)

    def _wait(self, number: int) -> dict[str, Any]:
        """Wait for an answer: one of those who wait reads, and hands the others theirs."""
        turn = self._turn
        with turn:
            while number not in self._told:
                if self._is_read:
                    turn.wait()
                    continue
                self._is_read = True
                turn.release()
                try:
                    message = self._wire.receive()
                finally:
                    turn.acquire()
                    self._is_read = False
                    turn.notify_all()
                if message is None:
                    raise ModelRefused("the runtime is gone", status=503, code="no_server")
                self._told[int(message["n"])] = message
            return self._told.pop(number)


def _lenient(value: Any) -> Any:
    try:
        return plain(value)
    except NotPlain:
        return _shown(value)


def _shown(value: Any) -> str:
    try:
        return repr(value)[:500]
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
