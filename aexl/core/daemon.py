"""Starting ``aexl serve`` in the background, and its log."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aexl.api.programs import own_program
from aexl.core.frozen.onedir import is_onefile, service_program
from aexl.core.home import make_home
from aexl.core.processes.environment import clean_environment
from aexl.errors import Unavailable

LOG_LIMIT: Final = 10 * 1024 * 1024
"""Bytes above which the log is set aside as ``serve.log.1`` when a daemon starts."""

_POLL: Final = 0.02
_TERM_GRACE: Final = 5.0
_REASON_LIMIT: Final = 4096
_REASON_LINES: Final = 10

Probe = Callable[[], Mapping[str, object] | None]


class StartFailed(Unavailable):
    """The server did not become ready.

    Args:
        reason: What its log says.
        status: The exit code it ended with; 1 when it was ended because it took too long.
    """

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def log_path(home: Path) -> Path:
    """Return where a daemon writes what it has to say."""
    return home / "logs" / "serve.log"


def start_daemon(home: Path, probe: Probe, *, argv: Sequence[str] = (), wait: float = 15.0) -> Mapping[str, object]:
    """Start ``aexl serve`` in a session of its own and wait until it is ready.

    A server that runs already is left alone. Two callers at a time start one server.
    The server is ended again if it is not ready in time, or if waiting is interrupted.

    Args:
        probe: Returns ``Control.status``, or ``None`` where no server answers.
        argv: Options for ``aexl serve``.
        wait: Seconds.

    Returns:
        What ``probe`` returned.

    Raises:
        StartFailed: If the server ended or took too long; with the end of its log.
        Unavailable: If the home or its log cannot be written.
    """
    make_home(home)
    deadline = time.monotonic() + wait
    with _only_starter(home, deadline):
        status = probe()
        if status is not None:
            return status
        descriptor, begin = _open_log(log_path(home))
        try:
            server = _launch(home, argv, descriptor)
        finally:
            os.close(descriptor)
        try:
            status = _wait_ready(server, probe, deadline)
        except BaseException:
            _end(server)
            raise
        if status is not None:
            server.returncode = 0  # it goes on without us: its destructor shall not complain
            return status
        code = server.poll()
        if code is not None:
            raise StartFailed(_reason(home, begin) or f"the server ended with code {code}", _positive(code))
        _end(server)
        said = _reason(home, begin)
        raise StartFailed(f"the server was not ready in {wait:g} seconds and was ended{': ' + said if said else ''}", 1)


@contextmanager
def _only_starter(home: Path, deadline: float) -> Iterator[None]:
    """Hold the lock of who starts daemons in this home, waiting for another one until the deadline."""
    descriptor = os.open(home / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"another process is still starting a server in {home}") from None
                time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def _open_log(path: Path) -> tuple[int, int]:
    """Open the log to append to; return the descriptor, and where the new server's lines begin."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_name(path.name + ".1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Unavailable(f"the log {path} cannot be written: {error.strerror}") from error
    return descriptor, os.fstat(descriptor).st_size


@contextmanager
def own_command(home: Path) -> Iterator[tuple[list[str], Sequence[int]]]:
    """Give the words that start this program as a server, and the descriptors that it must inherit.

    A onefile's server runs from a folder in the home: what this process has unpacked goes away with it.
    """
    if not is_onefile():
        yield own_program(), ()
        return
    with service_program(home) as (program, lock):
        yield [str(program)], (lock,)


def _launch(home: Path, argv: Sequence[str], log: int) -> subprocess.Popen[bytes]:
    env = clean_environment(os.environ) | {"AEXL_HOME": str(home), "PYINSTALLER_RESET_ENVIRONMENT": "1"}
    try:
        with own_command(home) as (command, inherited):
            return subprocess.Popen(
                [*command, "serve", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd=home,
                start_new_session=True,
                pass_fds=inherited,
            )
    except OSError as error:
        raise Unavailable(f"the server cannot be started: {error}") from error


def _wait_ready(server: subprocess.Popen[bytes], probe: Probe, deadline: float) -> Mapping[str, object] | None:
    while time.monotonic() < deadline and server.poll() is None:
        status = probe()
        if status is not None:
            return status
        time.sleep(_POLL)
    return None


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_TERM_GRACE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _reason(home: Path, begin: int) -> str:
    """Return the last lines of what the server wrote."""
    with log_path(home).open("rb") as file:
        file.seek(begin)
        text = file.read()[-_REASON_LIMIT:].decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(line.removeprefix("aexl: ") for line in lines[-_REASON_LINES:])


def _positive(code: int) -> int:
    return code if code > 0 else 128 - code if code < 0 else 1
