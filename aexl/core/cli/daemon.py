"""``aexl daemon``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import typer

from aexl.api import Control, Session
from aexl.core.cli.conventions import JSON, NO_SERVER, NOT_RUNNING
from aexl.core.control import ControlClient
from aexl.core.daemon import StartFailed, log_path, start_daemon
from aexl.core.processes.table import is_alive
from aexl.errors import NotFound, Unavailable

app = typer.Typer(no_args_is_help=True, help="Run the server in the background.")

_POLL: Final = 0.05
_FOLLOW_POLL: Final = 0.25
_NOW_GRACE: Final = 2.0
_TAIL_BLOCK: Final = 64 * 1024
_LINE_BOUND: Final = 512 * 1024
"""Bytes from the log's end in which the last lines are looked for."""


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Examples: aexl daemon start  ·  aexl daemon start --port 9001  ·  aexl daemon start --demo",
)
def start(
    ctx: typer.Context,
    wait: float = typer.Option(15.0, min=0.1, help="Seconds until it must be ready."),
    as_json: bool = JSON,
) -> None:
    """Start the server and wait until it is ready. Further options are those of 'aexl serve'.

    Exits 0 if it runs, also when it ran already; else with the server's exit code, or 1 if it took too long.
    """
    session: Session = ctx.obj
    before = session.running()
    if before is None:
        try:
            status = start_daemon(session.home, session.running, argv=ctx.args, wait=wait)
        except StartFailed as error:
            sys.stderr.write(f"aexl: the server did not start: {error}\nIts log is {log_path(session.home)}\n")
            raise typer.Exit(error.status) from error
    else:
        status = before
        if ctx.args:
            sys.stderr.write(f"aexl: a server runs already; {' '.join(ctx.args)} has no effect\n")
    if as_json:
        session.json({**status, "started": before is None})
    else:
        sys.stdout.write(f"{'Started' if before is None else 'Runs already'}: {_place(status)}\n")


@app.command(epilog="Examples: aexl daemon stop  ·  aexl daemon stop --timeout 300  ·  aexl daemon stop --now")
def stop(
    ctx: typer.Context,
    timeout: float = typer.Option(60.0, min=0, help="Seconds to wait for running calls to end."),
    now: bool = typer.Option(False, "--now", help="End at once; the next start settles what was running."),
) -> None:
    """Ask the server to finish and settle what runs, and wait until it is gone.

    Exits 0 if none runs afterwards, also when none ran; 1 if it still runs after the timeout.
    """
    session: Session = ctx.obj
    status = session.running()
    if status is None:
        sys.stdout.write("No server runs.\n")
        return
    pid = _pid(status)
    with suppress(Unavailable):  # it may go between two words
        # Not through session.run, which reads the configuration: a broken one shall not keep a server running.
        ControlClient(session.home).call(Control, "stop", timeout=_NOW_GRACE)
    gone = _end_now(session, pid) if now else _is_gone(session, pid, timeout)
    if not gone:
        calls = (session.running() or {}).get("in_flight", 0)
        sys.stderr.write(
            f"aexl: the server (pid {pid}) still runs after {timeout:g} seconds, with {calls} calls in flight; "
            "it ends when they do, 'aexl daemon stop --now' does not wait\n"
        )
        raise typer.Exit(1)
    sys.stdout.write(f"Stopped: pid {pid}\n")


@app.command(epilog="Example: aexl daemon status --json")
def status(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Say whether the server runs. Exits 0 if it does, 3 if not."""
    session: Session = ctx.obj
    found = session.running()
    if as_json:
        session.json({**(found or {}), "running": found is not None})
    elif found is not None:
        sys.stdout.write(f"Runs: {_place(found)}\n")
    else:
        sys.stdout.write(f"{NO_SERVER}\n")
    if found is None:
        raise typer.Exit(NOT_RUNNING)


@app.command(epilog="Examples: aexl daemon logs -n 200  ·  aexl daemon logs --follow")
def logs(
    ctx: typer.Context,
    lines: int = typer.Option(50, "-n", "--lines", min=0, help="How many of the last lines to show."),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on until ^C."),
) -> None:
    """Show what the server in the background wrote."""
    path = log_path(ctx.obj.home)
    if not path.exists():
        raise NotFound(f"there is no log yet: {path}; a server started with 'aexl daemon start' writes it")
    out = sys.stdout.buffer
    with suppress(KeyboardInterrupt):
        for data in _follow(path, lines) if follow else [_tail(path, lines)[0]]:
            out.write(data)
            out.flush()


def _is_gone(session: Session, pid: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while is_alive(pid) or session.running() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _end_now(session: Session, pid: int) -> bool:
    """Send the second signal, which ends a draining server at once; then SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if _is_gone(session, pid, _NOW_GRACE):
            return True
    return False


def _pid(status: Mapping[str, object]) -> int:
    pid = status.get("pid")
    if not isinstance(pid, int):
        raise Unavailable(f"the running server does not tell its process id, but {pid!r}")
    return pid


def _place(status: Mapping[str, object]) -> str:
    return f"{status.get('url')} (pid {status.get('pid')}, aexl {status.get('version')})"


def _tail(path: Path, lines: int) -> tuple[bytes, int]:
    """Return the last lines of a file, and where they end."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        begin = max(0, end - _LINE_BOUND)
        file.seek(begin)
        data = file.read(end - begin)
    kept = data.splitlines(keepends=True)[-lines:] if lines else []
    return b"".join(kept), end


def _follow(path: Path, lines: int) -> Iterator[bytes]:
    """Yield the last lines, then what is added; begin again when the file is replaced or shortened."""
    data, place = _tail(path, lines)
    yield data
    identity = path.stat().st_ino
    while True:
        with suppress(FileNotFoundError):  # between two names, while it is set aside
            now = path.stat()
            if now.st_ino != identity or now.st_size < place:
                identity, place = now.st_ino, 0
            if now.st_size > place:
                with path.open("rb") as file:
                    file.seek(place)
                    data = file.read(_TAIL_BLOCK)
                place += len(data)
                yield data
                continue
        time.sleep(_FOLLOW_POLL)
