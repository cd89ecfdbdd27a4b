"""The addresses that a server listens on; one that cannot be had becomes a sentence that says which, and why."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from pathlib import Path

import trio

from aexl.core.http.unix import UnixListener, open_unix_listener
from aexl.errors import Unavailable


async def listen_on_port(host: str, port: int) -> Sequence[trio.SocketListener]:
    """Listen on a TCP port, at each address that ``host`` stands for; port 0 takes any free one.

    Raises:
        Unavailable: If the host is not this machine's, or the port cannot be had.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        reason = error.strerror or error
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise _wrong_host(host, reason) from error
        raise Unavailable(
            f"port {port} on {host} cannot be had: {reason}; choose another with --port, or see who has it"
        ) from error
    except UnicodeError as error:  # no name that could be looked up
        raise _wrong_host(host, error) from error


def _wrong_host(host: str, reason: object) -> Unavailable:
    return Unavailable(f"{host} is no address of this machine: {reason}; choose another with --host")


async def listen_on_file(path: Path) -> UnixListener:
    """Listen on a Unix socket that only this user may connect to.

    Raises:
        Unavailable: If it cannot be made, or somebody listens there.
        Conflict: If there is something that is not a socket.
    """
    try:
        return await open_unix_listener(path)
    except OSError as error:
        raise Unavailable(f"the socket {path} cannot be made: {error.strerror or error}") from error
