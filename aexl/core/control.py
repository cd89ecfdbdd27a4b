"""The control socket: roles of a running host, for commands in other processes.

``$AEXL_HOME/control.sock`` speaks HTTP: ``POST /rpc/<role>/<method>`` with a JSON
array of arguments answers ``{"value": …}`` or ``{"error": …}``. What a method
takes and returns is known from the role's signatures alone, on both sides. Only
processes of the same user may ask (the peer's uid is checked).
"""

from __future__ import annotations

import http.client
import inspect
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

import msgspec

from aexl import errors
from aexl.api import ASGIReceive, ASGIScope, ASGISend
from aexl.core.home import SOCKET_NAME
from aexl.core.router import send_whole
from aexl.errors import AexlError, ConfigError, Invalid, Problem, Refused, Unavailable

T = TypeVar("T")

MAX_REQUEST: Final = 4 * 1024 * 1024
"""Bytes of arguments; far above any role's needs."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A role's method: its parameters with their types, in order, what stands for those left out, and what it returns.

    Keyword-only parameters are none of it: they are for callers in the host's own process.
    """

    parameters: Mapping[str, object]
    defaults: Mapping[str, object]
    result: object

    def order(self, arguments: tuple[object, ...], named: Mapping[str, object]) -> list[object]:
        """Return positional and named arguments in the order of the parameters.

        Raises:
            TypeError: If one is missing, unknown or given twice.
        """
        given = {**self.defaults, **dict(zip(self.parameters, arguments, strict=False)), **named}
        if len(arguments) > len(self.parameters) or set(given) != set(self.parameters):
            raise TypeError(f"takes {', '.join(self.parameters) or 'nothing'}")
        return [given[name] for name in self.parameters]


def signature(role: type[object], method: str) -> Signature:
    """Return a method's types.

    Raises:
        AttributeError: If the role has no such public method.
    """
    if method.startswith("_"):
        raise AttributeError(method)
    function = inspect.getattr_static(role, method)
    hints = get_type_hints(function)
    found = inspect.signature(function).parameters.values()
    taken = [each for each in found if each.name != "self" and each.kind is not each.KEYWORD_ONLY]
    defaults = {each.name: each.default for each in taken if each.default is not each.empty}
    return Signature({each.name: hints[each.name] for each in taken}, defaults, hints["return"])


def encode_error(error: Exception) -> dict[str, object]:
    """Return an error as JSON values."""
    if isinstance(error, ConfigError):
        return {"type": "ConfigError", "problems": [_problem(problem) for problem in error.problems]}
    if isinstance(error, Refused):
        fields = ("reason", "code", "status", "retry_after", "param")
        return {"type": "Refused", **{field: getattr(error, field) for field in fields}}
    if isinstance(error, AexlError) and type(error).__init__ is AexlError.__init__:
        return {"type": type(error).__name__, "message": str(error)}
    return {"type": "AexlError", "message": f"{type(error).__name__}: {error}"}


def _problem(problem: Problem) -> dict[str, object]:
    return {"key": problem.key, "message": problem.message, "source": problem.source, "line": problem.line}


def decode_error(data: Mapping[str, Any]) -> AexlError:
    """Return the error that ``encode_error`` was given."""
    match data:
        case {"type": "ConfigError", "problems": problems}:
            return ConfigError([Problem(**problem) for problem in problems])
        case {"type": "Refused", "reason": reason, **fields}:
            return Refused(reason, **fields)
        case {"type": name, "message": message}:
            kind = getattr(errors, name, AexlError)
            known = isinstance(kind, type) and issubclass(kind, AexlError) and kind.__init__ is AexlError.__init__
            return kind(message) if known else AexlError(message)
        case _:
            return AexlError("the server answered with an error that cannot be read")


class ControlApp:
    """The server's side: an ASGI application over the host's services."""

    def __init__(self, services: Callable[[], Mapping[type[object], object]]) -> None:
        self._services = services

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        peer = scope.get("extensions", {}).get("aexl.peer", {})
        if peer.get("uid") not in (os.getuid(), 0):
            return await _send(send, 403, {"error": encode_error(Unavailable("this socket belongs to another user"))})
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                break
            if len(body) > MAX_REQUEST:
                return await _send(send, 413, {"error": encode_error(Unavailable("the request is too long"))})
        try:
            value = await self._call(scope["path"], body)
        except Exception as error:
            return await _send(send, 200, {"error": encode_error(error)})
        return await _send(send, 200, {"value": value})

    async def _call(self, path: str, body: bytes) -> object:
        parts = path.split("/")
        role_name, method = (parts[2], parts[3]) if len(parts) == 4 and parts[1] == "rpc" else ("", "")
        for role, instance in self._services().items():
            if role.__name__ == role_name:
                types = signature(role, method)
                given = msgspec.json.decode(body or b"[]", type=list[msgspec.Raw])
                arguments = [_decode(raw, kind) for raw, kind in zip(given, types.parameters.values(), strict=True)]
                function: Callable[..., Awaitable[object]] = getattr(instance, method)
                return await function(*arguments)
        raise Unavailable(f"the running server has nobody for {role_name or path!r}; is the plugin enabled there?")


def _encode(arguments: object) -> bytes:
    try:
        return msgspec.json.encode(arguments)
    except UnicodeEncodeError as error:
        raise Invalid(f"{error.object!a} is not UTF-8") from error


def _decode(raw: msgspec.Raw, kind: object) -> object:
    return msgspec.json.decode(raw, type=kind)


async def _send(send: ASGISend, status: int, value: object) -> None:
    await send_whole(send, status, [(b"content-type", b"application/json")], msgspec.json.encode(value))


class ControlClient:
    """The command's side. Calls block, in a loop in a worker thread; each has a connection of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def call(
        self,
        role: type[object],
        method: str,
        arguments: tuple[object, ...] = (),
        named: Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Call a method of a role and return its value.

        Raises:
            Invalid: If an argument has bytes that are no UTF-8; names it.
            Unavailable: If no server listens.
            AexlError: What the method raised.
        """
        types = signature(role, method)
        body = _encode(types.order(arguments, named or {}))
        connection = _UnixConnection(self._home / SOCKET_NAME, timeout)
        try:
            connection.request("POST", f"/rpc/{role.__name__}/{method}", body)
            data = connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"no server answers in {self._home}: {error}") from error
        finally:
            connection.close()
        answer = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if "error" in answer:
            raise decode_error(msgspec.json.decode(answer["error"], type=dict[str, Any]))
        return None if types.result is type(None) else _decode(answer["value"], types.result)

    def service(self, role: type[T]) -> T:
        """Return an object whose methods are those of a role, played by the server."""

        def method(name: str) -> Callable[..., Awaitable[object]]:
            async def call(self: object, *arguments: object, **named: object) -> object:  # noqa: ARG001 - a method
                if "trio" not in sys.modules:
                    return client.call(role, name, arguments, named)  # see CommandSession.ask
                import trio

                if not trio.lowlevel.in_trio_run():
                    return client.call(role, name, arguments, named)
                return await trio.to_thread.run_sync(
                    lambda: client.call(role, name, arguments, named), abandon_on_cancel=True
                )

            return call

        client = self
        names = [name for name in vars(role) if not name.startswith("_") and callable(getattr(role, name))]
        remote = type(f"Remote{role.__name__}", (), {name: method(name) for name in names})
        return remote()  # type: ignore[no-any-return]  # has the methods of the role


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, whose path may be longer than the 107 bytes of ``sun_path``."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect through the folder's descriptor, so that the address is short."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        if len(os.fsencode(self._path)) <= 107:
            self.sock.connect(os.fspath(self._path))
            return
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)
